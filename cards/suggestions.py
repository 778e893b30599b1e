"""What is suggested instead, and the actions that carry it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from cards.card import Action, Suggestion
from cards.pama import has_name, rated_proposal, without_rating
from cards.profiles import THERAPY, Replacing, Shape
from cards.wording.words import (
    REFER_LABEL,
    REMOVE_COMPONENT_LABEL,
    REMOVE_LABEL,
    THERAPY_LABEL,
    order_instead_label,
    record_label,
    replace_label,
)
from knowledge.appraisal import Appraisal, NoCriteriaApply, Rated, Verdict, best, deciding_variants, suppose, supposing
from knowledge.findings import ConceptId, Presence, ProcedureId
from knowledge.guideline import AppropriatenessCategory, CodedText, Concept, Procedure, Topic
from knowledge.inference import Standing, VariantMatch, match_variants, remembered
from knowledge.reading import NOT_READ
from knowledge.values import hot_dataclass
from knowledge.vocabulary import written_code

PREGNANCY = ConceptId("pregnancy")
MRI_CONTRAINDICATION = ConceptId("mri-contraindication")

_WITH_CONTRAST = ("with", "without-and-with", "intrathecal", "intradiscal")


class Instead(Enum):
    """What kind of alternative there is."""

    BETTER_STUDY = "better-study"
    CONSERVATIVE_CARE = "conservative-care"
    IF_SAFE = "if-safe"
    """The better study is one that the chart speaks against: it is named, and no button orders it."""
    MISSING_FACTS = "missing-facts"
    NOTHING = "nothing"


@hot_dataclass(frozen=True, slots=True)
class Alternative:
    """What is suggested instead of an order, and what was passed over for a reason."""

    kind: Instead
    procedures: tuple[Procedure, ...] = ()
    category: AppropriatenessCategory | None = None
    facts: tuple[Concept, ...] = ()
    mri_passed_over: bool = False
    ionising_passed_over: bool = False


def has_note(appraisal: Appraisal, note: ConceptId) -> bool:
    """Whether the chart says so, or leaves it open by something that it says."""
    finding = appraisal.reading.notes.get(note)
    return finding is not None and finding.presence is not Presence.ABSENT and bool(finding.evidence)


def find_alternative(topic: Topic, appraisal: Appraisal) -> Alternative:
    """The better-rated study where one exists, else conservative care, else the facts that would settle the rating."""
    if isinstance(appraisal.verdict, NoCriteriaApply):
        return Alternative(Instead.NOTHING)
    alternative = _whatever_the_facts(
        topic,
        appraisal.matches,
        appraisal.order.procedures,
        pregnant=has_note(appraisal, PREGNANCY),
        no_mri=has_note(appraisal, MRI_CONTRAINDICATION),
        child=appraisal.reading.is_child,
    )
    if alternative.kind is Instead.NOTHING and (facts := _recordable(topic, appraisal)):
        return Alternative(Instead.MISSING_FACTS, facts=facts)
    return alternative


@remembered
def _whatever_the_facts(
    topic: Topic,
    matches: tuple[VariantMatch, ...],
    procedures: tuple[ProcedureId, ...],
    *,
    pregnant: bool,
    no_mri: bool,
    child: bool,
) -> Alternative:
    """The better-rated study, or conservative care where none but the remaining variants may hold; else nothing."""
    holding, may_hold = deciding_variants(topic, matches)
    if any(match.standing is Standing.ESTABLISHED for match in matches):
        hold = holding
    elif holding:
        hold = ()
    else:
        # A red flag that is present speaks for the study of its variant, which it alone does not establish.
        hold = tuple(
            match.variant
            for match in matches
            if match.variant in may_hold and any(topic.concepts[concept].red_flag for concept in match.because)
        )
    better = Alternative(Instead.NOTHING)
    if hold:
        better = _better(topic, procedures, hold, pregnant=pregnant, no_mri=no_mri, child=child)
    if better.procedures or any(number not in topic.remaining_variants for number in may_hold):
        return better
    return Alternative(Instead.CONSERVATIVE_CARE, ionising_passed_over=better.ionising_passed_over)


def _better(
    topic: Topic,
    procedures: tuple[ProcedureId, ...],
    hold: tuple[int, ...],
    *,
    pregnant: bool,
    no_mri: bool,
    child: bool,
) -> Alternative:
    """The best-rated procedures in the variants that hold, the lowest radiation for the age group first."""
    ordered = max(best(topic, procedure, hold).rank for procedure in procedures)
    rated = [(best(topic, procedure, hold), topic.procedures[procedure]) for procedure in topic.procedures]
    candidates = [
        (category, procedure)
        for category, procedure in rated
        if category.rank > ordered and procedure.id not in procedures
    ]
    allowed = [rating for rating in candidates if not (pregnant and rating[1].ionising)]
    preferred = [rating for rating in allowed if not (no_mri and rating[1].modality == "MRI")]
    ionising_passed_over = len(allowed) < len(candidates)
    if not allowed:
        return Alternative(Instead.NOTHING, ionising_passed_over=ionising_passed_over)
    category, first = _first(topic, preferred or allowed, hold, child=child)
    if not preferred:
        return Alternative(Instead.IF_SAFE, (first,), category, ionising_passed_over=ionising_passed_over)
    chosen = [first]
    mri_passed_over = len(preferred) < len(allowed)
    if mri_passed_over:
        # An MRI stays on offer, second: many implants are MR-conditional.
        of_mri = [rating for rating in allowed if rating[1].modality == "MRI"]
        mri_category, mri = _first(topic, of_mri, hold, child=child)
        if mri_category.rank >= category.rank:
            chosen.append(mri)
    return Alternative(
        Instead.BETTER_STUDY,
        procedures=tuple(chosen),
        category=category,
        mri_passed_over=mri_passed_over,
        ionising_passed_over=ionising_passed_over,
    )


def _first(
    topic: Topic,
    rated: list[tuple[AppropriatenessCategory, Procedure]],
    hold: tuple[int, ...],
    *,
    child: bool,
) -> tuple[AppropriatenessCategory, Procedure]:
    """Best category, then lowest radiation level, then no disagreement, then best where it is rated worst.

    After these no contrast, then the table's order.
    """

    def key(rating: tuple[AppropriatenessCategory, Procedure]) -> tuple[int, int, bool, int, bool, bool]:
        category, procedure = rating
        level = procedure.paediatric if child else procedure.adult
        everywhere = [topic.variants[variant].ratings[procedure.id].category for variant in hold]
        return (
            -category.rank,
            level.level if level is not None else 9,
            category is _DISPUTED,
            -min(each.rank for each in everywhere),
            _DISPUTED in everywhere,
            procedure.contrast in _WITH_CONTRAST,
        )

    return min(rated, key=key)


_DISPUTED = AppropriatenessCategory.MAY_BE_APPROPRIATE_DISAGREEMENT


def _recordable(topic: Topic, appraisal: Appraisal) -> tuple[Concept, ...]:
    """The open facts that a coded reason can state, the most urgent first."""
    missing = {concept for match in appraisal.matches for concept in match.missing}
    stated = [topic.concepts[concept] for concept in missing if _can_be_recorded(topic, appraisal, concept)]
    return tuple(sorted(stated, key=lambda concept: concept.record_priority)[: topic.most_recorded_facts])


def _can_be_recorded(topic: Topic, appraisal: Appraisal, concept: ConceptId) -> bool:
    """A coded reason states it, the order does not say so already, and it would change what is known.

    Where the order is not rated, its verdict; where it is, the better study that can be named.
    """
    about = topic.concepts[concept]
    read = [evidence for evidence in appraisal.findings[concept].evidence if evidence.how != NOT_READ]
    if about.record is None or (about.record_where_silent and read):
        return False
    if any(evidence.reference.startswith("order.") for evidence in read):
        return False
    if not isinstance(appraisal.verdict, Rated):
        return suppose(topic, appraisal, concept) != appraisal.verdict
    supposed = _whatever_the_facts(
        topic,
        match_variants(topic, supposing(appraisal, concept)),
        appraisal.order.procedures,
        pregnant=False,
        no_mri=False,
        child=appraisal.reading.is_child,
    )
    return supposed.kind is Instead.BETTER_STUDY


def build_suggestions(
    topic: Topic,
    appraisal: Appraisal,
    alternative: Alternative,
    order: Mapping[str, Any],
    shape: Shape,
    *,
    therapy_ordered: bool = False,
    components: tuple[str, ...] = (),
    ordered_beside: frozenset[ProcedureId] = frozenset(),
    may_go: bool = True,
) -> tuple[Suggestion, ...]:
    """The suggestions of a card, in the shape its client can carry out; none that it could not.

    None where the draft has no id that an action could name. ``therapy_ordered``: a referral to physical therapy is
    among the drafts already. ``components``: ``Type/id`` of drafts that go where their study goes. ``ordered_beside``:
    the studies that other drafts order, of which none is ordered once more; where the first of the better ones is among
    them, this order goes if it ``may_go``.
    """
    if not has_name(order):
        return ()
    if is_ordered_already(alternative, ordered_beside):
        offered: tuple[Suggestion, ...] = (_remove(order),) if may_go and shape.lone_deletes else ()
    else:
        if not ordered_beside.isdisjoint(procedure.id for procedure in alternative.procedures):
            new = tuple(procedure for procedure in alternative.procedures if procedure.id not in ordered_beside)
            alternative = replace(alternative, procedures=new)
        offered = _offered(topic, appraisal, alternative, order, shape, therapy_ordered=therapy_ordered)
    if alternative.kind is Instead.MISSING_FACTS or not offered or not components:
        return offered
    deletes = tuple(Action("delete", REMOVE_COMPONENT_LABEL, resource_id=component) for component in components)
    if shape.deletes_with_creates:
        return tuple(replace(suggestion, actions=suggestion.actions + deletes) for suggestion in offered)
    if shape.lone_deletes:
        return (*offered, *(Suggestion("remove-order", delete.description, (delete,)) for delete in deletes))
    return offered


def is_ordered_already(alternative: Alternative, ordered_beside: frozenset[ProcedureId]) -> bool:
    """Whether the better study is among the drafts, so that this order needs only to go."""
    return alternative.kind is Instead.BETTER_STUDY and alternative.procedures[0].id in ordered_beside


def _offered(
    topic: Topic,
    appraisal: Appraisal,
    alternative: Alternative,
    order: Mapping[str, Any],
    shape: Shape,
    *,
    therapy_ordered: bool,
) -> tuple[Suggestion, ...]:
    match alternative.kind:
        case Instead.BETTER_STUDY:
            if shape.replacing is Replacing.CREATE_AND_DELETE:
                return _create_and_delete(alternative.procedures, order, shape)
            offered = [
                _replace_study(topic, appraisal, procedure, order, shape) for procedure in alternative.procedures
            ]
        case Instead.CONSERVATIVE_CARE:
            return _conservative(topic, order, shape, therapy_ordered=therapy_ordered)
        case Instead.MISSING_FACTS:
            if shape.replacing is Replacing.CREATE_AND_DELETE:
                return ()
            offered = [_record(topic, appraisal, concept, order, shape) for concept in alternative.facts]
        case Instead.NOTHING | Instead.IF_SAFE:
            return ()
    return tuple(suggestion for suggestion in offered if suggestion is not None)


def _replace_study(
    topic: Topic, appraisal: Appraisal, procedure: Procedure, order: Mapping[str, Any], shape: Shape
) -> Suggestion | None:
    code = {"coding": _codings(procedure.order_codes, order), "text": procedure.name}
    label = replace_label(procedure)

    def proposed() -> Verdict:
        holding, may_hold = deciding_variants(topic, appraisal.matches)
        return Rated(best(topic, procedure.id, holding or may_hold))

    return _update("alternative-study", label, {**_unbilled(order), "code": code}, topic, proposed, shape)


def _unbilled(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """The order without billing options, which name the study that is replaced."""
    extensions = order.get("extension")
    if not isinstance(extensions, list):
        return order
    kept = [
        extension
        for extension in extensions
        if not (isinstance(extension, dict) and "billing-options" in str(extension.get("url")))
    ]
    return {**order, "extension": kept} if len(kept) < len(extensions) else order


def _update(
    kind: str, label: str, changed: Mapping[str, Any], topic: Topic, proposed: Callable[[], Verdict], shape: Shape
) -> Suggestion | None:
    """The order as it would be; None where this client could not apply it."""
    resource: Mapping[str, Any] | None = without_rating(changed)
    if shape.replacing is Replacing.RATED_UPDATE:
        resource = rated_proposal(topic, changed, proposed()) if _every_reason_is_coded(changed) else None
    return None if resource is None else Suggestion(kind, label, (Action("update", label, resource),))


def _every_reason_is_coded(order: Mapping[str, Any]) -> bool:
    """The sandbox fails on an order whose reasons are missing or without a coding."""
    reasons = order.get("reasonCode")
    return isinstance(reasons, list) and all(isinstance(reason, dict) and reason.get("coding") for reason in reasons)


def _create_and_delete(
    procedures: tuple[Procedure, ...], order: Mapping[str, Any], shape: Shape
) -> tuple[Suggestion, ...]:
    """The better study as an order of its own, then the removal of this one; nothing without a code to create it by."""
    created = [
        _create("alternative-study", order_instead_label(procedure), orderable, order)
        for procedure in procedures
        if (orderable := shape.orderable(procedure.id)) is not None
    ]
    return (*created, _remove(order)) if created else ()


def _create(kind: str, label: str, orderable: CodedText, order: Mapping[str, Any]) -> Suggestion:
    return Suggestion(kind, label, (Action("create", label, _new_order(orderable, order)),))


def _conservative(
    topic: Topic, order: Mapping[str, Any], shape: Shape, *, therapy_ordered: bool
) -> tuple[Suggestion, ...]:
    suggestions = [_remove(order)] if shape.lone_deletes else []
    if therapy_ordered:
        return tuple(suggestions)
    if shape.deletes_with_creates:
        suggestions.append(_refer_to_physical_therapy(topic, order))
    elif (therapy := shape.orderable(THERAPY)) is not None:
        suggestions.append(_create("physical-therapy", REFER_LABEL, therapy, order))
    return tuple(suggestions)


def _codings(codes: tuple[CodedText, ...], order: Mapping[str, Any]) -> list[dict[str, str]]:
    """The codes of a study in the systems the order uses, else in all we have."""
    code = order.get("code")
    sent = code.get("coding") if isinstance(code, dict) else None
    codings = sent if isinstance(sent, list) else []
    systems = [coding.get("system") for coding in codings if isinstance(coding, dict)]
    chosen = [coded for coded in codes if coded.coding.system in systems] or list(codes)
    return [{"system": coded.coding.system, "code": coded.coding.code, "display": coded.display} for coded in chosen]


def _remove(order: Mapping[str, Any]) -> Suggestion:
    return Suggestion("remove-order", REMOVE_LABEL, (_delete(order, REMOVE_LABEL),))


def _delete(order: Mapping[str, Any], description: str) -> Action:
    return Action("delete", description, resource_id=f"{order.get('resourceType')}/{order['id']}")


_CARRIED_OVER = ("subject", "encounter", "requester", "authoredOn", "reasonCode", "reasonReference", "insurance")


def _refer_to_physical_therapy(topic: Topic, order: Mapping[str, Any]) -> Suggestion:
    """The order goes, a referral for the same patient and reasons comes."""
    referral = _new_order(topic.physical_therapy, order)
    actions = (_delete(order, REMOVE_LABEL), Action("create", THERAPY_LABEL, referral))
    return Suggestion("physical-therapy", THERAPY_LABEL, actions)


def _new_order(coded: CodedText, order: Mapping[str, Any]) -> Mapping[str, Any]:
    """A draft for the same patient, by the same person, for the same reasons."""
    coding = {"system": coded.coding.system, "code": coded.coding.code, "display": coded.display}
    intent = order.get("intent")
    carried = {name: order[name] for name in _CARRIED_OVER if name in order}
    contained = _contained(order, carried)
    return {
        "resourceType": "ServiceRequest",
        **({"contained": contained} if contained else {}),
        "status": "draft",
        "intent": intent if isinstance(intent, str) and intent else "order",
        "code": {"coding": [coding], "text": coded.display},
        **carried,
    }


def _contained(order: Mapping[str, Any], carried: Any) -> list[Any]:
    """The contained resources that what is carried over refers to, themselves or through one another."""
    contained = order.get("contained")
    every = [inner for inner in contained if isinstance(inner, dict)] if isinstance(contained, list) else []
    if not every:
        return []
    wanted: set[str] = set()
    kept: list[Any] = []
    asked = [carried]
    while asked:
        new = _inner_references(asked.pop()) - wanted
        wanted |= new
        taken = [inner for inner in every if f"#{str(inner.get('id')).removeprefix('#')}" in new]
        kept += taken
        asked += taken
    return kept


def _inner_references(value: Any) -> set[str]:
    """Every ``#id`` that a value refers to, at any depth."""
    if isinstance(value, dict):
        reference = value.get("reference")
        own = {reference} if isinstance(reference, str) and reference.startswith("#") else set()
        return own.union(*map(_inner_references, value.values()))
    if isinstance(value, list):
        return set().union(*map(_inner_references, value))
    return set()


def _record(
    topic: Topic, appraisal: Appraisal, concept: Concept, order: Mapping[str, Any], shape: Shape
) -> Suggestion | None:
    assert concept.record is not None
    coding = {
        "system": concept.record.coding.system,
        "code": written_code(concept.record.coding),
        "display": concept.record.display,
    }
    reasons = order.get("reasonCode")
    if reasons is not None and not isinstance(reasons, list):
        return None  # another reason beside it would put it out
    earlier = reasons or []
    changed = {**order, "reasonCode": [*earlier, {"coding": [coding], "text": concept.record.display}]}

    def proposed() -> Verdict:
        return suppose(topic, appraisal, concept.id)

    return _update("record-fact", record_label(concept), changed, topic, proposed, shape)
