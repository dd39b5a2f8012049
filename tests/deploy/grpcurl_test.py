#!/usr/bin/env python3
"""grpcurl_test.py <folder of programs>: a person with grpcurl can do everything.

The three services as processes of their own; grpcurl, knowing no .proto file,
lists every service that the protos declare and calls every method of it through
reflection, health included.
"""

import base64
import collections
import json
import re
import subprocess

import processes

GRPCURL = processes.find_tool("grpcurl")

SCHEMA = """
collection: notes
fields:
  text: {type: text, required: true}
vectors:
  text: {source: [text], model: default, metric: cosine}
"""

LINKS = """
collection: links
fields:
  from_id: {type: string}
  to_id:   {type: string}
edges: {source: from_id, target: to_id}
"""


def declared_methods():
    """{package: {service: [method]}} of protos/engram."""
    methods = collections.defaultdict(dict)
    for path in (processes.ROOT / "protos/engram").rglob("*.proto"):
        text = path.read_text()
        package = re.search(r"^package (\S+);", text, re.M).group(1)
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.M | re.S):
            methods[package][f"{package}.{service}"] = re.findall(r"^  rpc (\w+)\(", body, re.M)
    return methods


class GrpcurlTest(processes.ProcessTest):
    def setUp(self):
        super().setUp()
        self.called = set()
        self.address = {name: processes.free_address()
                        for name in ("storage", "embedding", "search")}
        storage = f"--storage-address={self.address['storage']}"
        self.serve("storage", f"--data-dir={self.folder}/data")
        self.serve("embedding", storage)
        self.serve("search", storage, f"--embedding-address={self.address['embedding']}",
                   f"--cache-dir={self.folder}/cache")
        for name in self.address:
            self.until(lambda name=name: self.health(name, "") == "SERVING", f"{name} serves")

    def test_reflection_lists_what_the_protos_declare(self):
        for package, services in declared_methods().items():
            name = package.split(".")[1]
            listed = self.list(name)
            self.assertEqual(sorted(s for s in listed if s.startswith("engram.")),
                             sorted(services))
            self.assertIn("grpc.health.v1.Health", listed)
            for service, methods in services.items():
                self.assertEqual(self.list(name, service),
                                 sorted(f"{service}.{method}" for method in methods))

    def test_health_answers_for_every_service_by_name(self):
        for package, services in declared_methods().items():
            for service in services:
                name = package.split(".")[1]
                self.until(lambda n=name, s=service: self.health(n, s) == "SERVING",
                           f"{service} serves")

    def test_every_method_can_be_called(self):
        self.databases_and_schema()
        position = self.records()
        self.graphs()
        self.figures()
        self.exports_and_sql(position)
        self.vectors_and_feed()
        self.followers(position)
        self.jobs()
        self.queries(position)
        self.operations()
        self.caches()
        self.words()
        self.embedding_for_anybody()
        self.generations()
        declared = {f"{service}/{method}"
                    for services in declared_methods().values()
                    for service, methods in services.items() for method in methods}
        self.assertEqual(declared, self.called)

    def databases_and_schema(self):
        models = self.call("embedding", "EmbeddingService/ListModels")["models"]
        embedded = self.call("embedding", "EmbeddingService/Embed",
                             {"texts": ["a note"], "purpose": "PURPOSE_QUERY"})
        self.assertEqual(embedded["model"]["fingerprint"], models[0]["fingerprint"])
        self.call("storage", "CatalogService/RegisterModels", {"models": models})
        self.call("storage", "DatabaseService/Create", {"database": "other"})
        self.call("storage", "DatabaseService/Get", {"database": "other"})
        databases = self.call("storage", "DatabaseService/List")["databases"]
        self.assertEqual([d["name"] for d in databases], ["default", "other"])
        self.stream("storage", "DatabaseService/WatchDatabases", {}, "default@")
        self.call("storage", "DatabaseService/Delete", {"database": "other", "confirm": "other"})
        plan = self.call("storage", "CatalogService/PlanSchema",
                         {"target": {"documents": [{"yaml": SCHEMA}]}})
        self.assertIn("notes", plan["steps"][0]["summary"])
        self.call("storage", "CatalogService/ApplySchema",
                  {"documents": [{"yaml": SCHEMA}], "plan_hash": plan["plan_hash"]})
        migrations = self.call("storage", "CatalogService/ListMigrations")["migrations"]
        self.assertEqual([m["version"] for m in migrations], ["1"])
        described = self.call("storage", "CatalogService/GetDescriptors")
        self.assertEqual(described["messages"], {"notes": "engram.records.Notes"})
        self.call("storage", "CatalogService/GetCollection", {"collection": "notes"})
        collections_ = self.call("storage", "CatalogService/ListCollections")["collections"]
        self.assertEqual([c["name"] for c in collections_], ["notes"])

    def records(self):
        written = self.call("storage", "RecordService/Write", {"items": [
            {"collection": "notes", "upsert": {"id": "a", "fields": {"text": "boats at sea"}}},
            {"collection": "notes", "upsert": {"id": "b", "fields": {"text": "bread and butter"}}},
        ]})
        record = self.call("storage", "RecordService/Get", {"collection": "notes", "id": "a"})
        self.assertEqual(record["record"]["fields"], {"text": "boats at sea"})
        got = self.call("storage", "RecordService/BatchGet",
                        {"collection": "notes", "ids": ["b", "c"]})
        self.assertEqual(got["missing_ids"], ["c"])
        listed = self.call("storage", "RecordService/List", {"collection": "notes"})
        self.assertEqual([r["id"] for r in listed["records"]], ["a", "b"])
        self.call("storage", "RecordService/Write", {"items": [
            {"collection": "notes", "create": {"id": "c", "fields": {"text": "thirds"}}}]})
        updated = self.call("storage", "RecordService/UpdateWhere", {
            "collection": "notes", "filter": "text = :was", "parameters": {"was": "thirds"},
            "fields": {"text": "fourths"}})
        self.assertEqual(updated["updated"], "1")
        deleted = self.call("storage", "RecordService/DeleteWhere",
                            {"collection": "notes", "filter": 'text PREFIX "fourth"'})
        self.assertEqual(deleted["deleted"], "1")
        self.call("storage", "RecordService/SweepExpired")
        self.lists()
        return written["position"]

    def graphs(self):
        self.call("storage", "CatalogService/ApplySchema", {"documents": [{"yaml": LINKS}]})
        self.call("storage", "RecordService/Write", {"items": [
            {"collection": "links", "create": {"fields": {"from_id": a, "to_id": b}}}
            for a, b in ("ab", "bc", "ad", "dc")]})
        walk = self.call("storage", "RecordService/Traverse",
                         {"collection": "links", "start": ["a"], "max_depth": 2,
                          "direction": "DIRECTION_OUT", "with_edges": True})
        self.assertEqual([(n["id"], n["depth"]) for n in walk["nodes"]],
                         [("b", 1), ("d", 1), ("c", 2)])
        self.assertEqual(len(walk["edges"]), 4)
        degree, = self.call("storage", "RecordService/GetDegrees",
                            {"collection": "links", "ids": ["b"]})["degrees"]
        self.assertEqual(degree, {"id": "b", "edges_out": "1", "edges_in": "1", "neighbors": "2"})
        other, = self.call("storage", "RecordService/GetCommonNeighbors",
                           {"collection": "links", "id": "a"})["others"]
        self.assertEqual((other["id"], [n["id"] for n in other["shared"]]), ("c", ["b", "d"]))

    def lists(self):
        page = self.call("storage", "RecordService/List", {
            "collection": "notes", "filter": "text != :not", "parameters": {"not": "x"},
            "order_by": "text desc", "page_size": 1, "with_total": True})
        self.assertEqual([r["id"] for r in page["records"]], ["b"])
        self.assertEqual(page["total_size"], "2")
        sample = self.call("storage", "RecordService/List", {"collection": "notes", "random": True})
        self.assertEqual(sorted(r["id"] for r in sample["records"]), ["a", "b"])

    def figures(self):
        rows = self.call("storage", "RecordService/Aggregate", {
            "collection": "notes",
            "group_by": [{"field": "_create_time", "bucket": "TIME_BUCKET_YEAR", "name": "year"}],
            "aggregations": [{"name": "n", "function": "FUNCTION_COUNT"}]})["rows"]
        self.assertEqual(sum(row["n"] for row in rows), 2)
        versions = self.call("storage", "RecordService/ListVersions",
                             {"collection": "notes", "id": "a"})["versions"]
        self.assertEqual([v["record"]["version"] for v in versions], ["1"])

    def exports_and_sql(self, position):
        piece = json.loads(self.stream("storage", "RecordService/Export",
                                       {"collection": "notes", "format": "FORMAT_CSV"},
                                       '"position"'))
        self.assertEqual(base64.b64decode(piece["data"]).decode(),
                         "id,text\r\na,boats at sea\r\nb,bread and butter\r\n")
        changed = self.stream("storage", "RecordService/Export",
                              {"collection": "notes", "since": position}, '"position"')
        self.assertNotIn('"data"', changed)
        answer = self.call("storage", "RecordService/Query", {
            "sql": "SELECT id, length(text) AS size FROM notes WHERE id > :after",
            "parameters": {"after": "a"}})
        self.assertEqual((answer["columns"], answer["rows"]), (["id", "size"], [["b", 16]]))

    def vectors_and_feed(self):
        leased = self.call("storage", "VectorService/LeasePending",
                           {"holder": "grpcurl", "fingerprints": ["nobody's"], "wait": "0s"})
        self.assertNotIn("entries", leased)
        put = self.call("storage", "VectorService/PutVectors", {})
        self.assertEqual(put, {})
        coverage = self.call("storage", "VectorService/GetCoverage", {"collection": "notes"})
        self.assertEqual(coverage["records"], "2")
        self.call("storage", "VectorService/ExtendLease", {"lease_id": "1", "lease": "0s"})
        self.assertEqual(self.call("storage", "VectorService/ReportFailure", {}), {})
        self.assertEqual(self.call("storage", "VectorService/ListFailures"), {})
        self.assertEqual(self.call("storage", "VectorService/RetryFailures"), {})
        vectors = self.call("storage", "VectorService/GetVectors",
                            {"collection": "notes", "ids": ["nobody"]})
        self.assertEqual(vectors["records"][0]["state"], "STATE_RECORD_UNKNOWN")
        made_of = self.call("storage", "PassageService/GetPassages",
                            {"collection": "notes", "vectors": [{"id": "nobody"}]})
        self.assertEqual(made_of["passages"], [{}])
        paused = self.call("storage", "VectorService/SetPause",
                           {"provider": "nobody", "paused": True})
        self.assertEqual(paused["pauses"][0]["provider"], "nobody")
        for place in ("storage", "embedding"):
            service = "VectorService" if place == "storage" else "EmbeddingAdminService"
            backlog = self.call(place, f"{service}/GetBacklog")
            self.assertEqual(backlog["fields"][0]["collection"], "notes")
            self.assertEqual(len(backlog["pauses"]), 1)
            self.call(place, f"{service}/GetUsage", {"interval": "3600s"})
        self.call("embedding", "EmbeddingAdminService/Pause", {"collection": "notes",
                                                               "database": "default"})
        self.call("embedding", "EmbeddingAdminService/Resume", {"collection": "notes",
                                                                "database": "default"})
        self.assertEqual(self.call("embedding", "EmbeddingAdminService/Resume",
                                   {"provider": "nobody"}), {})
        checks = self.call("embedding", "EmbeddingAdminService/CheckProvider")["checks"]
        self.assertNotIn("error", checks[0])
        estimate = self.call("embedding", "EmbeddingAdminService/EstimateMigration",
                             {"collection": "notes"})
        self.assertEqual((estimate["records"], estimate["texts"]), ("2", "2"))
        self.assertIn("duration", estimate)
        parts = self.stream("storage", "FeedService/StreamSnapshot", {}, '"end"')
        start = re.search(r'"position": "(\S+)"', parts).group(1)
        beginning = re.sub(r"\d+$", "0", start)
        self.stream("storage", "FeedService/WatchChanges", {"after_position": beginning},
                    "record_changed")

    def followers(self, position):
        self.call("storage", "FeedService/AcknowledgeChanges",
                  {"follower": "grpcurl", "position": position})
        follower, = self.call("storage", "FeedService/ListFollowers")["followers"]
        self.assertEqual((follower["name"], follower["position"]), ("grpcurl", position))
        self.stream("storage", "FeedService/WatchChanges",
                    {"after_position": re.sub(r"\d+$", "0", position),
                     "view": "FEED_VIEW_RECORD", "collections": ["notes"]}, '"after"')
        self.call("storage", "FeedService/RemoveFollower", {"follower": "grpcurl"})

    def jobs(self):
        added = self.call("storage", "JobService/Enqueue", {"jobs": [
            {"queue": "images", "payload": {"image": 7}, "unique_key": "metadata-7"},
            {"queue": "images", "after_items": [0]},
            {"queue": "mail", "max_attempts": 1}]})
        self.assertEqual([j["id"] for j in added["jobs"]], ["1", "2", "3"])
        leased = self.call("storage", "JobService/Lease",
                           {"holder": "grpcurl", "max_jobs": 5, "wait": "1s"})
        self.assertEqual([j["spec"]["queue"] for j in leased["jobs"]], ["images", "mail"])
        image, mail = ({"id": j["id"], "attempt": j["attempt"]} for j in leased["jobs"])
        beat = self.call("storage", "JobService/Heartbeat",
                         {"jobs": [{"lease": image, "progress": 0.5}], "lease": "120s"})
        self.assertEqual(beat["results"][0]["outcome"], "OUTCOME_OK")
        job = self.call("storage", "JobService/Get", {"id": "1"})["job"]
        self.assertEqual((job["state"], job["progress"]), ("STATE_RUNNING", 0.5))
        done = self.call("storage", "JobService/Complete",
                         {"jobs": [{"lease": image, "result": {"tags": ["sea"]}}]})
        self.assertEqual(done["results"][0]["state"], "STATE_SUCCEEDED")
        failed = self.call("storage", "JobService/Fail",
                           {"jobs": [{"lease": mail, "message": "no such address"}]})
        self.assertEqual(failed["results"][0]["state"], "STATE_DEAD")
        self.assertEqual(self.call("storage", "JobService/Retry", {"queue": "mail"}),
                         {"retried": "1"})
        self.assertEqual(self.call("storage", "JobService/Cancel", {"ids": ["2"]}),
                         {"cancelled": "1"})
        self.call("storage", "JobService/Pause", {"queue": "mail", "paused": True})
        listed = self.call("storage", "JobService/List", {"queue": "mail"})["jobs"]
        self.assertEqual(listed[0]["failures"][0]["message"], "no such address")
        stats = self.call("storage", "JobService/Stats")["queues"]
        self.assertEqual([(q["queue"], q.get("paused")) for q in stats],
                         [("images", None), ("mail", True)])

    def queries(self, position):
        self.call("search", "IndexService/WaitForPosition", {"position": position})
        found = self.call("search", "SearchService/Query",
                          {"collection": "notes", "text": "a ship", "min_position": position})
        self.assertEqual(found["hits"][0]["id"], "a")
        filtered = self.call("search", "SearchService/Query",
                             {"collection": "notes", "text": "a ship", "filter": "id != :id",
                              "parameters": {"id": "a"}, "min_position": position})
        ids = [hit["id"] for hit in filtered["hits"]]
        self.assertIn("b", ids)
        self.assertNotIn("a", ids)
        answers = self.call("search", "SearchService/BatchQuery", {"queries": [
            {"collection": "notes", "text": "a ship", "limit": 1},
            {"collection": "nothing", "text": "a ship"}]})["answers"]
        self.assertEqual(answers[0]["response"]["hits"][0]["id"], "a")
        self.assertIn("nothing", answers[1]["error"]["message"])
        like = self.call("search", "SearchService/Recommend",
                         {"query": {"collection": "notes"}, "positive_ids": ["a"]})
        self.assertEqual([hit["id"] for hit in like["response"]["hits"]], ["b"])
        index, = self.call("search", "IndexService/ListIndexes")["indexes"]
        self.assertEqual(index["vectors"], "2")
        shown = self.call("search", "IndexService/GetIndex", {"collection": "notes"})
        self.assertEqual(shown["index"]["generation"], index["generation"])
        self.assertEqual(shown["coverage"]["indexed"], "2")

    def caches(self):
        missed = self.call("storage", "CacheService/Get", {"key": "rates"})
        self.assertEqual(missed, {})
        leased = self.call("storage", "CacheService/GetOrLease",
                           {"key": "rates", "lease_duration": "60s", "wait": "0s"})
        set_ = self.call("storage", "CacheService/Set", {
            "entry": {"key": "rates", "value": {"usd": 1.09}, "category": "api"},
            "ttl": "600s", "lease": leased["lease"]})
        self.assertIn("expire_time", set_)
        self.call("storage", "CacheService/ReleaseLease",
                  {"key": "rates", "lease": leased["lease"]})
        got = self.call("storage", "CacheService/Get", {"key": "rates"})
        self.assertEqual(got["entry"]["value"], {"usd": 1.09})
        self.assertEqual(self.call("storage", "CacheService/Has", {"key": "rates"}),
                         {"found": True})
        keys = self.call("storage", "CacheService/Keys", {"pattern": {"glob": "r*"}})
        self.assertEqual(keys["keys"], ["rates"])
        stats = self.call("storage", "CacheService/Stats")
        self.assertEqual(stats["hits"], "1")
        deleted = self.call("storage", "CacheService/DeleteMatching",
                            {"pattern": {"regex": "^ra"}})
        self.assertEqual(deleted["deleted"], "1")
        self.call("storage", "CacheService/Delete", {"key": "rates"})
        self.call("storage", "CacheService/Clear", {"category": "api"})

    def operations(self):
        names = []
        for method, request in (("IndexService/VerifyIndex", {"collection": "notes"}),
                                ("IndexService/RebuildIndex", {}),
                                ("SearchService/FindDuplicates", {"collection": "notes"})):
            name = self.call("search", method, request)["operation"]["name"]
            done = self.call("search", "OperationService/Wait", {"name": name, "timeout": "10s"})
            self.assertEqual(done["operation"]["state"], "STATE_SUCCEEDED")
            names.insert(0, name)
        for method in ("Get", "Cancel"):
            self.call("search", f"OperationService/{method}", {"name": names[0]})
        listed = self.call("search", "OperationService/List")["operations"]
        self.assertEqual([o["name"] for o in listed], names)

    def words(self):
        self.call("storage", "CatalogService/ApplySchema", {"documents": [{"yaml": """
collection: books
fields:
  title: {type: string}
  text:  {type: text}
full_text: {fields: {title: 3, text: 1}}
"""}]})
        self.call("storage", "RecordService/Write", {"items": [
            {"collection": "books", "upsert": {"id": "a", "fields": {"title": "Green tea"}}},
            {"collection": "books", "upsert": {"id": "b", "fields": {"text": "tea, black"}}},
        ]})
        found = self.call("storage", "RecordService/SearchText", {
            "collection": "books", "query": "tea -green", "filter": "title IS NULL",
            "read_mask": {"paths": ["id"]}, "weights": [{"field": "text", "weight": 2}],
            "snippets": {"begin_mark": "<", "end_mark": ">"}, "with_total": True})
        hit, = found["hits"]
        self.assertEqual(hit["record"]["id"], "b")
        self.assertEqual(hit["snippets"], [{"field": "text", "text": "<tea>, black"}])
        self.assertEqual(found["total_size"], "1")

    def embedding_for_anybody(self):
        counted = self.call("embedding", "EmbeddingService/CountTokens", {"texts": ["a ship"]})
        self.assertEqual(counted, {"tokens": [2], "exact": True})
        self.stream("embedding", "EmbeddingService/EmbedStream", {"texts": ["a ship"]},
                    '"embeddings"')
        # The built-in model is none that scores.
        refused = self.refuse("embedding", "EmbeddingService/Rerank",
                              {"query": "a ship", "documents": ["boats at sea"]})
        self.assertIn("NotFound", refused)

    def generations(self):
        self.call("storage", "CatalogService/ApplySchema", {"documents": [
            {"yaml": SCHEMA.replace("metric: cosine", "metric: dot")}]})

        def states():
            listed = self.call("storage", "CatalogService/ListGenerations",
                               {"collection": "notes"})["generations"]
            return [g["state"] for g in listed]
        self.until(lambda: states() == ["STATE_RETIRED", "STATE_SERVING"], "the new one serves")
        compared = self.call("embedding", "EmbeddingAdminService/CompareGenerations",
                             {"collection": "notes", "queries": ["a ship"]})
        self.assertEqual((compared["records"], compared["overlap"]), ("2", 1))
        back = self.call("storage", "CatalogService/SwitchGeneration", {"collection": "notes"})
        self.assertEqual(states(), ["STATE_SERVING", "STATE_RETIRED"])
        self.call("storage", "CatalogService/SwitchGeneration", {"collection": "notes"})
        dropped = {"collection": "notes", "generation": back["generation"]["id"]}
        self.call("storage", "CatalogService/DropGeneration", dropped)
        self.assertEqual(states(), ["STATE_SERVING"])

    def refuse(self, name, method, request):
        """Calls a method that must fail; returns what grpcurl says."""
        full = f"engram.{name}.v1.{method}"
        self.called.add(full)
        done = self.grpcurl(name, full, flags=["-d", json.dumps(request)])
        self.assertNotEqual(done.returncode, 0, done.stdout)
        return done.stderr

    def serve(self, name, *flags):
        self.start(name, self.binaries / f"engram-{name}", f"--listen={self.address[name]}",
                   f"--metrics-listen={processes.free_address()}", *flags)

    def health(self, name, service):
        """The status of a service, or what grpcurl says against it."""
        done = self.grpcurl(name, "grpc.health.v1.Health/Check",
                            flags=["-d", json.dumps({"service": service})])
        return json.loads(done.stdout)["status"] if done.returncode == 0 else done.stderr

    def list(self, name, *of):
        done = self.grpcurl(name, "list", *of)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def call(self, name, method, request=None):
        """Calls a method of engram.<name>.v1 and returns the answer."""
        full = f"engram.{name}.v1.{method}"
        self.called.add(full)
        done = self.grpcurl(name, full, flags=["-d", json.dumps(request or {})])
        self.assertEqual(done.returncode, 0, f"{full}: {done.stderr}")
        return json.loads(done.stdout)

    def stream(self, name, method, request, expected):
        """Reads a stream for two seconds, or to its end; returns what came."""
        full = f"engram.{name}.v1.{method}"
        self.called.add(full)
        done = self.grpcurl(name, full, flags=["-max-time", "2", "-d", json.dumps(request)])
        self.assertIn(expected, done.stdout, done.stderr)
        return done.stdout

    def grpcurl(self, name, *words, flags=()):
        return subprocess.run([GRPCURL, "-plaintext", *flags, self.address[name], *words],
                              capture_output=True, text=True, timeout=60, check=False)


if __name__ == "__main__":
    processes.main(GrpcurlTest)
