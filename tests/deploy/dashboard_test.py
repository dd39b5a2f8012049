#!/usr/bin/env python3
"""dashboard_test.py <folder of binaries>: every panel has something to show.

A real engramd under a little load, a real Prometheus that scrapes it, and every
expression of deploy/grafana/overview.json asked of that Prometheus. An expression
passes when it parses and answers a number; a metric that was renamed, or that
nothing sets, fails here and not on an operator's screen.
"""

import json
import math
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77  # Agreed with ctest in CMakeLists.txt.
PATIENCE_SECONDS = 90

SCHEMA = """
collection: notes
fields:
  text: {type: text, required: true}
vectors:
  text: {source: [text], model: default, metric: cosine}
"""


def find_prometheus():
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    tools = os.environ.get("ENGRAM_TOOLS") or os.path.join(cache, "engram-tools")
    return shutil.which("prometheus", path=f"{tools}/bin:{os.environ['PATH']}")


def free_port():
    # Free now; that another process takes it within the second is unlikely, and
    # neither server can be asked which port it found for itself.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def dashboard_expressions():
    """(panel title, expression) of the dashboard, as Grafana would send them."""
    dashboard = json.loads((ROOT / "deploy/grafana/overview.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression = (target["expr"].replace("$__rate_interval", "10s")
                          .replace("$job", "(engramd)"))
            if "$" in expression:
                raise ValueError(f"{panel['title']}: a variable this test does not know: "
                                 f"{expression}")
            yield panel["title"], expression


class DashboardTest(unittest.TestCase):
    binaries = None  # Set by main.
    prometheus = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.server = f"127.0.0.1:{free_port()}"
        metrics = f"127.0.0.1:{free_port()}"
        self.address = f"127.0.0.1:{free_port()}"
        self.start("engramd", self.binaries / "engramd", f"--data-dir={self.folder}/data",
                   f"--listen={self.server}", f"--metrics-listen={metrics}")
        (self.folder / "prometheus.yml").write_text(json.dumps({  # JSON is YAML too.
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "engramd",
                                "static_configs": [{"targets": [metrics]}]}]}))
        self.start("prometheus", self.prometheus,
                   f"--config.file={self.folder}/prometheus.yml",
                   f"--storage.tsdb.path={self.folder}/tsdb",
                   f"--web.listen-address={self.address}")

    def test_every_expression_answers_a_number(self):
        (self.folder / "notes.yaml").write_text(SCHEMA)
        (self.folder / "notes.jsonl").write_text("".join(
            json.dumps({"id": f"n{i}", "text": f"note {i} about subject {i % 7}"}) + "\n"
            for i in range(200)))
        self.engramctl("status", "--wait")
        self.engramctl("schema", "apply", str(self.folder / "notes.yaml"))

        expressions = list(dashboard_expressions())
        self.assertGreater(len(expressions), 20)
        waiting = dict.fromkeys(expressions, "never asked")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while waiting and time.monotonic() < deadline:
            # Rates and quantiles of an idle server are empty, so it never idles.
            self.make_load()
            time.sleep(0.2)  # It scrapes once a second: asking faster only costs.
            for panel, expression in list(waiting):
                problem = self.ask(expression)
                if problem is None:
                    del waiting[panel, expression]
                elif "parse error" in problem:
                    self.fail(f"{panel}: {expression}: {problem}")
                else:
                    waiting[panel, expression] = problem
        if waiting:
            self.fail("\n".join(f"{panel}: {expression}: {problem}"
                                for (panel, expression), problem in waiting.items()))
        print(f"{len(expressions)} expressions answered")

    def test_the_job_variable_lists_engramd(self):
        self.engramctl("status", "--wait")
        self.until(lambda: self.get("label/job/values", {"match[]": "engram_build_info"})
                   == ["engramd"])

    def make_load(self):
        # The text changes every time, for a repeat would write and embed nothing.
        (self.folder / "more.jsonl").write_text("".join(
            json.dumps({"id": f"n{i}", "text": f"note {i} at {time.time_ns()}"}) + "\n"
            for i in range(50)))
        self.engramctl("import", "notes", str(self.folder / "more.jsonl"))
        self.engramctl("search", "notes", "a note about a subject", "--limit", "3")
        self.engramctl("get", "notes", "no-such-id", may_fail=True)

    def ask(self, expression):
        """None if the expression answers a number, else what is wrong."""
        try:
            result = self.get("query", {"query": expression})
        except urllib.error.HTTPError as error:
            if error.code != 400:
                return f"Prometheus is not ready: {error}"
            return json.loads(error.read())["error"]
        except OSError as error:
            return f"Prometheus does not answer: {error}"
        if not result["result"]:
            return "no data"
        values = [float(sample["value"][1]) for sample in result["result"]]
        return None if any(map(math.isfinite, values)) else f"only {values[0]}"

    def get(self, path, parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{path}?{query}",
                                    timeout=10) as answer:
            return json.load(answer)["data"]

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass  # Not up yet.
            self.assertLess(time.monotonic(), deadline, "it never came true")
            time.sleep(0.2)

    def engramctl(self, *arguments, may_fail=False):
        done = subprocess.run([self.binaries / "engramctl", "--server", self.server, *arguments],
                              capture_output=True, text=True, timeout=60, check=False)
        if not may_fail:
            self.assertEqual(done.returncode, 0, f"engramctl {arguments}: {done.stderr}")

    def start(self, name, *command):
        log = open(self.folder / f"{name}.log", "w+")
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

        def stop():
            died = process.poll()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if died is not None:
                log.seek(0)
                print(f"{name} ended by itself ({died}):\n{log.read()}", file=sys.stderr)
            log.close()

        self.addCleanup(stop)


if __name__ == "__main__":
    DashboardTest.prometheus = find_prometheus()
    if DashboardTest.prometheus is None:
        print("skipped: no prometheus here; tools/install_check_tools.sh brings it")
        sys.exit(SKIPPED)
    DashboardTest.binaries = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
