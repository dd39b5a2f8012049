#!/usr/bin/env python3
"""The files under deploy/ are well formed and agree with each other.

No container engine is needed: what is checked is what a typo breaks, such as a
port, a build target or a mounted path that one file names and the other lacks.
"""

import json
import pathlib
import re
import sys
import unittest

try:
    import yaml
except ImportError:
    print("skipped: no PyYAML here; tools/setup.sh --checks installs it")
    sys.exit(77)  # Agreed with ctest in CMakeLists.txt.

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
SERVICES = {"storage": (7701, 9701), "embedding": (7702, 9702), "search": (7703, 9703)}


def load(path):
    return yaml.safe_load((DEPLOY / path).read_text())


class DeployFilesTest(unittest.TestCase):
    def setUp(self):
        self.compose = load("docker/compose.yaml")
        self.dockerfile = (DEPLOY / "docker/Dockerfile").read_text()

    def test_every_yaml_and_json_file_parses(self):
        for path in DEPLOY.rglob("*.yaml"):
            with self.subTest(path=path):
                self.assertIsNotNone(yaml.safe_load(path.read_text()))
        for path in DEPLOY.rglob("*.json"):
            with self.subTest(path=path):
                self.assertTrue(json.loads(path.read_text()))

    def test_compose_builds_targets_that_the_dockerfile_has(self):
        targets = set(re.findall(r"^FROM \S+ AS (\S+)", self.dockerfile, re.M))
        for name in SERVICES:
            build = self.compose["services"][name]["build"]
            self.assertIn(build["target"], targets)
            context = (DEPLOY / "docker" / build["context"]).resolve()
            self.assertEqual(context, ROOT)
            self.assertTrue((context / build["dockerfile"]).is_file())

    def test_image_and_compose_use_the_service_ports(self):
        for name, (grpc, metrics) in SERVICES.items():
            stage = self.stage(f"engram-{name}")
            self.assertIn(f"ENGRAM_LISTEN=0.0.0.0:{grpc} ", stage)
            self.assertIn(f"ENGRAM_METRICS_LISTEN=0.0.0.0:{metrics}", stage)
            self.assertIn(f"EXPOSE {grpc} {metrics}", stage)
            self.assertEqual(self.compose["services"][name]["ports"],
                             [f"127.0.0.1:{grpc}:{grpc}"])

    def test_compose_calls_services_by_their_names(self):
        commands = json.dumps([s.get("command", []) for s in self.compose["services"].values()])
        addresses = re.findall(r"--(\w+)-address=(\w+):(\d+)", commands)
        self.assertEqual(len(addresses), 3)
        for flag, host, port in addresses:
            self.assertEqual(flag, host)
            self.assertEqual(int(port), SERVICES[host][0])

    def test_mounted_files_exist_and_volumes_are_declared(self):
        for service in self.compose["services"].values():
            for mount in service.get("volumes", []):
                source = mount.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DEPLOY / "docker" / source).exists(), source)
                else:
                    self.assertIn(source, self.compose["volumes"])

    def test_published_ports_are_on_loopback_only(self):
        for service in self.compose["services"].values():
            for port in service["ports"]:
                self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_prometheus_scrapes_every_service(self):
        targets = [target
                   for job in load("prometheus/prometheus.yaml")["scrape_configs"]
                   for static in job["static_configs"]
                   for target in static["targets"]]
        self.assertEqual(sorted(targets),
                         sorted(f"{name}:{ports[1]}" for name, ports in SERVICES.items()))

    def test_grafana_finds_prometheus_and_its_dashboard(self):
        source, = load("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
        self.assertEqual(source["url"], "http://prometheus:9090")
        scrape_interval = load("prometheus/prometheus.yaml")["global"]["scrape_interval"]
        self.assertEqual(source["jsonData"]["timeInterval"], scrape_interval)
        provider, = load("grafana/provisioning/dashboards/engram.yaml")["providers"]
        mounts = self.compose["services"]["grafana"]["volumes"]
        self.assertIn(f"../grafana/overview.json:{provider['options']['path']}/overview.json:ro",
                      mounts)

    def test_dashboard_panels_do_not_overlap(self):
        taken = {}
        for panel in json.loads((DEPLOY / "grafana/overview.json").read_text())["panels"]:
            grid = panel["gridPos"]
            self.assertLessEqual(grid["x"] + grid["w"], 24, panel["title"])
            for x in range(grid["x"], grid["x"] + grid["w"]):
                for y in range(grid["y"], grid["y"] + grid["h"]):
                    self.assertIsNone(taken.setdefault((x, y), None), panel["title"])
                    taken[x, y] = panel["title"]

    def stage(self, name):
        """The Dockerfile's lines from one stage's FROM to the next."""
        return re.search(rf"^FROM \S+ AS {name}$(.*?)(?=^FROM|\Z)", self.dockerfile,
                         re.M | re.S).group(1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
