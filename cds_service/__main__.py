"""The command ``cds-service``: serve, evaluate, clients check, report, store, demo, demo-fhir."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from cds_service.store_arguments import add_commands

if TYPE_CHECKING:
    from cds_service.settings import Settings


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 when it did its work, 1 when the request was refused, 2 when it could not begin."""
    gc.disable()
    try:
        options = _parser().parse_args(arguments)
        if options.run is not _serve:
            gc.enable()  # what `serve` loads is no garbage: to look among it for some is a tenth of its start
        return _run(options)
    finally:
        gc.enable()


def _run(options: argparse.Namespace) -> int:
    from cds_service.settings import Settings, SettingsError
    from cds_service.site import SiteError
    from knowledge.sources import KnowledgeError

    try:
        settings = Settings.from_environment(os.environ)
        code = int(options.run(options, settings))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read the output has seen enough of it, as `| head` has; nothing more can be written there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SettingsError, KnowledgeError) as error:
        return _refuse(str(error))
    except SiteError as error:
        return _refuse(f"CDS_SITE: {error}")


def _refuse(message: str) -> int:
    print(f"cds-service: {message}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cds-service", description="Lumbar imaging appropriateness as CDS Hooks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="start the service")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    serve.add_argument("--port", type=int, default=8080, help="port to listen on (default %(default)s)")
    serve.add_argument("--workers", type=int, default=2, help="worker processes (default %(default)s)")
    serve.add_argument(
        "--without-authentication-on-a-network",
        action="store_true",
        dest="openly",
        help="listen on an address that is not loopback, although callers are not authenticated",
    )
    serve.add_argument(
        "--sandbox",
        action="store_true",
        help="answer as the public CDS Hooks sandbox needs it, and print the link that opens it with this service",
    )
    serve.add_argument(
        "--sandbox-fhir-server",
        metavar="URL",
        default="http://127.0.0.1:8090/fhir",
        help="with --sandbox: where the sandbox finds its patients (default %(default)s, which is demo-fhir)",
    )
    serve.set_defaults(run=_serve)
    evaluate = commands.add_parser("evaluate", help="judge one request and print its cards")
    evaluate.add_argument(
        "request", metavar="REQUEST.json", help="an order-select or order-sign request; - for standard input"
    )
    evaluate.add_argument("--explain", action="store_true", help="print the whole chain from entries to the rating")
    evaluate.add_argument("--json", action="store_true", help="print the answer as the service sends it")
    evaluate.add_argument("--today", type=date.fromisoformat, default=None, help="judge as of this day (YYYY-MM-DD)")
    evaluate.set_defaults(run=_evaluate)
    clients = commands.add_parser("clients", help="look at the clients file").add_subparsers(required=True)
    check = clients.add_parser("check", help="print what is configured for each client, and whether its keys answer")
    check.add_argument("file", nargs="?", type=Path, help="the clients file (default: CDS_CLIENTS)")
    check.set_defaults(run=_check_clients)
    add_commands(commands)
    demo = commands.add_parser("demo", help="start the service on a free port, post a real order, show its card")
    demo.add_argument("--stay", action="store_true", help="go on for the browser, as it does at a terminal")
    demo.set_defaults(run=_demo)
    fhir = commands.add_parser("demo-fhir", help="start a FHIR R4 server with synthetic patients, for trying out")
    fhir.add_argument("--port", type=int, default=8090, help="port of loopback to listen on (default %(default)s)")
    fhir.set_defaults(run=_demo_fhir)
    return parser


def _serve(options: argparse.Namespace, settings: Settings) -> int:
    from knowledge.loading import load_low_back_pain

    # The files of the knowledge leave holes in memory. What is loaded after them fills those; left to the workers,
    # each would copy the pages to fill them.
    load_low_back_pain()

    from cds_service.addresses import is_loopback
    from cds_service.logs import log_as_json
    from cds_service.server import Server
    from cds_service.settings import Auth
    from cds_service.store import StoreError

    on_loopback = is_loopback(options.host.strip("[]"))
    if settings.auth is Auth.OPEN and not options.openly and not on_loopback:
        return _refuse(
            f"{options.host} is not a loopback address, and callers are not authenticated; "
            "set CDS_CLIENTS, put a proxy that authenticates in front, or say --without-authentication-on-a-network"
        )
    if not 0 < options.port < 65536 or options.workers < 1:
        return _refuse("--port must be from 1 to 65535 and --workers at least 1")
    log_as_json()
    if options.sandbox:
        from cds_service.sandbox import for_sandbox, invitation

        if not on_loopback:
            return _refuse("--sandbox is for trying out, and listens on loopback only")
        if settings.auth is Auth.REQUIRED:
            return _refuse("--sandbox looks at no tokens: unset CDS_CLIENTS and CDS_AUTH")
        settings = for_sandbox(settings)
        print(invitation(options.host, options.port, options.sandbox_fhir_server), flush=True)
    try:
        serving = replace(settings, fhir_on_loopback=on_loopback)
        server = Server(options.host, options.port, options.workers, serving)
    except StoreError as error:
        return _refuse(f"CDS_DATABASE_URL: {error}")
    master = os.getpid()
    try:
        server.run()
    except SystemExit as ended:
        # Gunicorn ends so where it cannot listen, and has logged why, several times.
        if ended.code != 1 or os.getpid() != master:
            raise
        return _refuse(f"{options.host}, port {options.port}: cannot be listened on")
    return 0


def _check_clients(options: argparse.Namespace, settings: Settings) -> int:
    from cds_service.authentication import clients_of
    from cds_service.clients_check import check

    chosen = settings if options.file is None else replace(settings, clients_file=options.file)
    if chosen.clients_file is None:
        return _refuse("name a clients file, or set CDS_CLIENTS")
    lines, sound = check(clients_of(chosen))
    print("\n".join(lines))
    return 0 if sound else 1


def _demo(options: argparse.Namespace, settings: Settings) -> int:
    from cds_service.demo import DemoError, run

    try:
        run(print, stay=options.stay or (sys.stdin.isatty() and sys.stdout.isatty()))
    except DemoError as error:
        return _refuse(str(error))
    return 0


def _demo_fhir(options: argparse.Namespace, settings: Settings) -> int:
    from cds_service.demo_fhir import run

    if not 0 < options.port < 65536:
        return _refuse("--port must be from 1 to 65535")
    try:
        run("127.0.0.1", options.port)
    except OSError as error:
        return _refuse(f"port {options.port}: {error.strerror}")
    return 0


def _evaluate(options: argparse.Namespace, settings: Settings) -> int:
    from cds_service.answer import compose
    from cds_service.envelope import parse_request
    from cds_service.explain import explain, read_aloud
    from cds_service.json_in import parse_json
    from cds_service.json_out import to_json
    from cds_service.judging import Judge
    from cds_service.problems import Problem
    from cds_service.uuids import new_uuid
    from knowledge.loading import load_low_back_pain

    try:
        body = sys.stdin.buffer.read() if options.request == "-" else Path(options.request).read_bytes()
    except OSError as error:
        return _refuse(f"{options.request}: {error.strerror}")
    judge = Judge(load_low_back_pain(), settings)
    shape = judge.shape(settings.profile)
    try:
        value = parse_json(body)
        hook = value.get("hook") if isinstance(value, dict) else None
        call = parse_request(body, hook if hook in ("order-select", "order-sign") else "order-select")
        judged = judge.judge(call, options.today or date.today(), shape)
        answer = compose(judge.knowledge.topic, judged, call, settings.anyone, shape, new_uuid)
    except Problem as problem:
        print(f"{options.request}: {problem.message}", file=sys.stderr)
        return 1
    topic = judge.knowledge.topic
    if options.json:
        print(to_json(answer.json, indented=True).decode())
        return 0
    print(read_aloud([issued.card for issued in answer.cards]))
    if options.explain:
        print("\n" + explain(topic, judged))
    return 0


if __name__ == "__main__":
    sys.exit(main())
