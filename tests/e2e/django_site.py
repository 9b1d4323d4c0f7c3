# SPDX-License-Identifier: MIT
"""Django sites that are ready to serve: an environment, a migrated database, a user admin/admin."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from process import APPS, Server

HERE = Path(__file__).resolve().parent
VERSIONS = ["5.2", "4.2"]  # the long-term ones in support


def venv(version):
    """The environment that has this Django; the first one is that of the tests."""
    if version == VERSIONS[0]:
        return os.environ["GN_E2E_VENV"]
    requirements = HERE / f"requirements-django{version.replace('.', '')}.txt"
    done = subprocess.run([HERE.parent / "support" / "venv", requirements],
                          stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


class Site:
    """Where the database is, and how a server and manage.py find it."""

    def __init__(self, version, folder, **env):
        self.version = version
        self.venv = venv(version)
        self.env = {"GN_TEST_DB_DIR": str(folder), **env}
        self.manage("migrate", "-v", "0")
        self.manage("createsuperuser", "--noinput", "--username", "admin", "--email",
                    "admin@example.com", "-v", "0", DJANGO_SUPERUSER_PASSWORD="admin")

    def manage(self, *command, **env):
        env = {k: v for k, v in {**os.environ, **self.env, **env}.items() if v is not None}
        subprocess.run([f"{self.venv}/bin/python", "-B", APPS / "django_app.py", *command], env=env,
                       check=True, timeout=120)

    def options(self, *options, application="django_app:application"):
        return ("--venv", self.venv, *options, application)

    def serve(self, *options, application="django_app:application", env=None, **kwargs):
        """A server of its own."""
        return Server(*self.options(*options, application=application),
                      env={**self.env, **(env or {})}, **kwargs)


class Postgres:
    """A database server in a folder of its own, on a Unix socket alone, as an unprivileged user."""

    PORT = "5432"  # of the socket's name

    def __init__(self):
        # Not below pytest's own folder, which is closed to other users.
        self.folder = Path(tempfile.mkdtemp(prefix="gustnado-postgres-"))
        self.data = self.folder / "data"
        self.programs = self.find()
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        self.run("initdb", "-D", self.data, "-U", "gustnado", "-A", "trust", "-E", "UTF8",
                 "--no-sync", "--no-instructions")
        self.run("pg_ctl", "-D", self.data, "-w", "-l", self.data / "log", "-o",
                 f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off "
                 f"-c max_connections=40 -c shared_buffers=8MB -p {self.PORT}", "start")

    @staticmethod
    def find():
        """The folder of the newest version's programs, or None."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"),
                       key=lambda path: int(path.parts[4]))
        return found[-1].parent if found else None

    def run(self, name, *arguments):
        done = subprocess.run([self.programs / name, *arguments], user=self.user, group=self.user,
                              extra_groups=[] if self.user else None, cwd=self.folder,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=120, env={
                                  "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0, done.stdout

    def query(self, sql):
        """The one value that a statement gives, if any, over a connection of its own."""
        import psycopg

        with psycopg.connect(host=str(self.folder), port=self.PORT, user="gustnado",
                             dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchone()[0] if cursor.description else None

    def sessions(self):
        """How many others are connected."""
        return self.query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = "
                          "'client backend' AND pid <> pg_backend_pid()")

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-m", "immediate", "stop")
        shutil.rmtree(self.folder)
