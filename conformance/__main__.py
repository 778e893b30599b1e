"""``cds-conformance URL`` tests a service; ``cds-conformance jwks KEY`` and ``coverage`` are for what goes with it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from conformance import profiles, report
from conformance.bodies import Body
from conformance.kit import ISSUER, Options, Trust, run
from conformance.requirements import README, with_coverage
from conformance.schemas import VERSIONS
from conformance.session import CannotRun
from conformance.tokens import Key, KeyFileError, es384_key, key_set, read_key, rs384_key

MET, UNMET, COULD_NOT_RUN = 0, 1, 2


class _Parser(argparse.ArgumentParser):
    """An error of use is one line, like every other reason for which the kit cannot run."""

    def error(self, message: str) -> NoReturn:
        raise CannotRun(f"{message}; --help lists the options")


def main(arguments: list[str] | None = None) -> int:
    """0 when the service meets what is asked, 1 when it does not, 2 when the kit could not run."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if given[:1] == ["coverage"]:
            return _coverage(given[1:])
        if given[:1] == ["jwks"]:
            return _jwks(given[1:])
        return _test(_parser().parse_args(given))
    except CannotRun as error:
        print(f"cds-conformance: {error}", file=sys.stderr)
        return COULD_NOT_RUN


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="cds-conformance",
        description="Test a CDS service by CDS Hooks.",
        epilog="also: cds-conformance jwks KEY..., the public key set of keys; exit codes: 0 met, 1 unmet, 2 not run",
    )
    parser.add_argument("url", metavar="URL", help="base URL of the service, with or without /cds-services")
    parser.add_argument("--service", metavar="ID", action="append", default=[], help="test this service only (repeat)")
    parser.add_argument(
        "--request", metavar="FILE", nargs="+", action="extend", default=[], help="requests to send as good ones"
    )
    parser.add_argument("--cds-hooks", choices=VERSIONS, default="2.0.1", help="version to judge by (%(default)s)")
    parser.add_argument("--profile", choices=profiles.NAMES, help="also judge by the rows of another test suite")
    parser.add_argument("--strict", action="store_true", help="warnings (SHOULD) count as unmet")
    parser.add_argument("--format", choices=report.FORMATS, default="text", help="form of the report (%(default)s)")
    parser.add_argument("--output", metavar="FILE", type=Path, help="write the report here")
    parser.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=10.0, help="for each call (%(default)g)")
    parser.add_argument("--large-body", metavar="BYTES", type=_bytes, default=2_000_000, help="size (%(default)s)")
    parser.add_argument(
        "--ca-file", metavar="FILE", help="PEM with the authority that signed the service's certificate"
    )
    trust = parser.add_argument_group("for a service that demands tokens")
    trust.add_argument("--jwt", action="store_true", help="sign with new keys (ES384 and RS384)")
    trust.add_argument(
        "--jwt-key", metavar="FILE", nargs="+", action="extend", default=[], help="sign with these (PEM)"
    )
    trust.add_argument("--jwt-issuer", metavar="URL", default=ISSUER, help="iss of the tokens (%(default)s)")
    trust.add_argument(
        "--jwt-jku", metavar="URL", help="where the key set is, if the kit shall not name its own server"
    )
    trust.add_argument("--jwt-no-jku", action="store_true", help="name no address: the service has the key set already")
    trust.add_argument("--jwt-port", metavar="PORT", type=int, default=8931, help="of the kit's key set (%(default)s)")
    return parser


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number <= 600:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds up to 600")
    return number


def _bytes(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 10_000 <= number <= 100_000_000:
        raise argparse.ArgumentTypeError(f"{text} is no number of bytes from 10000 to 100000000")
    return number


def _test(options: argparse.Namespace) -> int:
    found = run(
        Options(
            url=options.url,
            version=options.cds_hooks,
            services=tuple(options.service),
            requests=tuple(_request(Path(name)) for name in options.request),
            profile=profiles.load(options.profile) if options.profile else None,
            trust=_trust(options),
            limit=options.timeout,
            large=options.large_body,
            ca_file=_readable(options.ca_file) if options.ca_file else None,
        )
    )
    text = report.render(found, options.format, options.strict)
    if options.output:
        try:
            options.output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CannotRun(f"--output {options.output}: {error.strerror}") from None
        print(report.verdict(found, options.strict))
    else:
        sys.stdout.write(text)
    return MET if found.met(options.strict) else UNMET


def _request(file: Path) -> Body:
    try:
        value: Any = json.loads(_read(file, "--request"))
    except ValueError as error:
        raise CannotRun(f"--request {file}: not JSON ({error})") from None
    if not isinstance(value, dict) or not isinstance(value.get("hook"), str):
        raise CannotRun(f"--request {file}: not an object with a hook")
    if not isinstance(value.get("context"), dict):
        raise CannotRun(f"--request {file}: its context is not an object")
    return Body(file.name, value)


def _trust(options: argparse.Namespace) -> Trust | None:
    if not options.jwt and not options.jwt_key:
        return None
    if not 0 <= options.jwt_port < 65536:
        raise CannotRun("--jwt-port must be from 0 to 65535")
    keys = _keys(options.jwt_key) if options.jwt_key else (es384_key(), rs384_key())
    return Trust(keys, options.jwt_issuer, options.jwt_jku, not options.jwt_no_jku, options.jwt_port)


def _keys(names: list[str]) -> tuple[Key, ...]:
    found = []
    for name in names:
        try:
            found.append(read_key(_read(Path(name), "--jwt-key")))
        except KeyFileError as error:
            raise CannotRun(f"--jwt-key {name}: {error}") from None
    return tuple(found)


def _read(file: Path, option: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CannotRun(f"{option} {file}: {error.strerror}") from None


def _readable(name: str) -> str:
    _read(Path(name), "--ca-file")
    return name


def _jwks(arguments: list[str]) -> int:
    """Print the public key set of private keys, for a service that is to be told of them by hand."""
    if not arguments:
        raise CannotRun("jwks: name the private keys, in PEM")
    print(json.dumps(key_set(_keys(arguments)), indent=2))
    return MET


def _coverage(arguments: list[str]) -> int:
    """Compare the coverage table of the README with the requirements, or write it anew."""
    if arguments not in ([], ["--write"]):
        raise CannotRun("coverage: the only option is --write")
    now = README.read_text(encoding="utf-8")
    wanted = with_coverage(now)
    if arguments:
        README.write_text(wanted, encoding="utf-8")
        return MET
    if now != wanted:
        print(f"{README}: the coverage table is not current; `cds-conformance coverage --write` renews it")
    return MET if now == wanted else UNMET


if __name__ == "__main__":
    sys.exit(main())
