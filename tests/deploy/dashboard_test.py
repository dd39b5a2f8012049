#!/usr/bin/env python3
"""dashboard_test.py <folder of programs>: every panel has something to show.

A real engramd under a little load, a real Prometheus that scrapes it, and every
expression of deploy/grafana/overview.json asked of that Prometheus. An expression
passes when it parses and answers a number; a metric that was renamed, or that
nothing sets, fails here and not on an operator's screen.
"""

import json
import math
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import processes

PROMETHEUS = processes.find_tool("prometheus")

SCHEMA = """
collection: notes
fields:
  text: {type: text, required: true}
vectors:
  text: {source: [text], model: default, metric: cosine}
"""


def dashboard_expressions():
    """(panel title, expression) of the dashboard, as Grafana would send them."""
    dashboard = json.loads((processes.ROOT / "deploy/grafana/overview.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression = (target["expr"].replace("$__rate_interval", "10s")
                          .replace("$job", "(engramd)"))
            if "$" in expression:
                raise ValueError(f"{panel['title']}: a variable this test does not know: "
                                 f"{expression}")
            yield panel["title"], expression
            if " or vector(" in expression:  # It always answers: ask its metrics too.
                for metric in set(re.findall(r"\w+(?=\{)", expression)):
                    yield panel["title"], metric


class DashboardTest(processes.ProcessTest):
    def setUp(self):
        super().setUp()
        self.server = processes.free_address()
        metrics = processes.free_address()
        self.prometheus = processes.free_address()
        self.start("engramd", self.binaries / "engramd", f"--data-dir={self.folder}/data",
                   f"--listen={self.server}", f"--metrics-listen={metrics}")
        (self.folder / "prometheus.yml").write_text(json.dumps({  # JSON is YAML too.
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "engramd",
                                "static_configs": [{"targets": [metrics]}]}]}))
        self.start("prometheus", PROMETHEUS,
                   f"--config.file={self.folder}/prometheus.yml",
                   f"--storage.tsdb.path={self.folder}/tsdb",
                   f"--web.listen-address={self.prometheus}")
        self.until(lambda: self.engramctl("status").returncode == 0, "engramd is up")

    def test_every_expression_answers_a_number(self):
        (self.folder / "notes.yaml").write_text(SCHEMA)
        done = self.engramctl("schema", "apply", str(self.folder / "notes.yaml"))
        self.assertEqual(done.returncode, 0, done.stderr)

        expressions = list(dashboard_expressions())
        self.assertGreater(len(expressions), 20)
        waiting = dict.fromkeys(expressions, "never asked")
        deadline = time.monotonic() + processes.PATIENCE_SECONDS
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
        self.until(lambda: self.get("label/job/values", {"match[]": "engram_build_info"})
                   == ["engramd"], "the variable lists engramd")

    def make_load(self):
        # The text changes every time, for a repeat would write and embed nothing.
        (self.folder / "notes.jsonl").write_text("".join(
            json.dumps({"id": f"n{i}", "text": f"note {i} at {time.time_ns()}"}) + "\n"
            for i in range(50)))
        for arguments in (["import", "notes", str(self.folder / "notes.jsonl")],
                          ["search", "notes", "a note about a subject", "--limit", "3"]):
            done = self.engramctl(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotEqual(self.engramctl("get", "notes", "no-such-id").returncode, 0)

    def engramctl(self, *arguments):
        return subprocess.run([self.binaries / "engramctl", "--server", self.server, *arguments],
                              capture_output=True, text=True, timeout=60, check=False)

    def ask(self, expression):
        """None if the expression answers a number, else what is wrong."""
        try:
            result = self.get("query", {"query": expression})["result"]
        except urllib.error.HTTPError as error:
            if error.code != 400:
                return f"Prometheus is not ready: {error}"
            return json.loads(error.read())["error"]
        except OSError as error:
            return f"Prometheus does not answer: {error}"
        if not result:
            return "no data"
        values = [float(sample["value"][1]) for sample in result]
        return None if any(map(math.isfinite, values)) else f"only {values[0]}"

    def get(self, path, parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"http://{self.prometheus}/api/v1/{path}?{query}",
                                    timeout=10) as answer:
            return json.load(answer)["data"]


if __name__ == "__main__":
    processes.main(DashboardTest)
