"""Each dialect of mock_server: its shapes, its faults, and numbers that agree with each other and with the native engine's."""

import http.client
import json
import math
import pathlib
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.error

from assay_case import AssayCase
from mock_server_case import MOCK_SERVER, MockServer, MockServerCase

PROMPT = [3, 141, 59, 265, 358, 979, 323, 846, 264, 338, 327]
COMPLETION = {"model": "tiny", "prompt": PROMPT, "max_tokens": 4, "temperature": 0, "prompt_logprobs": 3, "logprobs": 3,
              "return_token_ids": True, "return_tokens_as_token_ids": True, "ignore_eos": True, "request_id": "r1"}


def is_float32(value: float) -> bool:
    return struct.unpack("f", struct.pack("f", value))[0] == value


class Vllm(MockServerCase):
    def complete(self, server: MockServer, **changes) -> dict:
        return server.post("/v1/completions", {**COMPLETION, **changes})["choices"][0]

    def test_identity(self):
        server = self.start("vllm", "--fingerprint", "fp-1")
        server.open("/health")
        self.assertIn("version", server.get("/version"))
        model = server.get("/v1/models")["data"][0]
        self.assertEqual((model["id"], model["max_model_len"]), ("tiny", 8192))
        self.assertIn("vllm_config", server.get("/server_info?config_format=json"))
        reply = server.post("/v1/completions", COMPLETION)
        self.assertEqual((reply["id"], reply["system_fingerprint"], reply["model"]), ("cmpl-r1", "fp-1", "tiny"))
        self.assertEqual(reply["usage"], {"prompt_tokens": 11, "completion_tokens": 4, "total_tokens": 15})

    def test_shape_and_numbers(self):
        server = self.start("vllm")
        choice = self.complete(server)
        self.assertEqual(choice["prompt_token_ids"], PROMPT)
        self.assertEqual(len(choice["token_ids"]), 4)
        self.assertEqual(choice["logprobs"]["tokens"], [f"token_id:{i}" for i in choice["token_ids"]])
        self.assertEqual(len(choice["prompt_logprobs"]), len(PROMPT))
        self.assertIsNone(choice["prompt_logprobs"][0])
        for own, entries in list(zip(PROMPT, choice["prompt_logprobs"]))[1:]:
            ranks = sorted(entry["rank"] for entry in entries.values())
            self.assertEqual(ranks[:3], [1, 2, 3])
            self.assertEqual(next(iter(entries)), str(own))
            self.assertEqual(len(entries), 4 if entries[str(own)]["rank"] > 3 else 3)
            for entry in entries.values():
                self.assertTrue(is_float32(entry["logprob"]))

    def test_whole_vocabulary_sums_to_one(self):
        server = self.start("vllm", "--max-logprobs", "-1")
        for entries in self.complete(server, prompt_logprobs=-1, logprobs=0)["prompt_logprobs"][1:]:
            self.assertEqual(len(entries), 4096)
            self.assertAlmostEqual(sum(math.exp(e["logprob"]) for e in entries.values()), 1, delta=2**-11)

    def test_a_prompt_scores_as_it_was_generated(self):
        """`ieee` owes equal bits: in steps, in one pass, and when the steps are forced."""
        server = self.start("vllm")
        made = self.complete(server)
        whole = self.complete(server, prompt=PROMPT + made["token_ids"], max_tokens=1)
        for token, logprob, entries in zip(made["token_ids"], made["logprobs"]["token_logprobs"],
                                           whole["prompt_logprobs"][len(PROMPT):]):
            self.assertEqual((entries[str(token)]["logprob"], entries[str(token)]["rank"]), (logprob, 1))
        trace = PROMPT[:4] + made["token_ids"]
        replayed = self.replay(server, PROMPT, trace)
        self.assertEqual(replayed["token_ids"], trace)
        forced = self.complete(server, prompt=PROMPT + trace, max_tokens=1)["prompt_logprobs"][len(PROMPT):]
        self.assertEqual(len(replayed["logprobs"]["content"]), len(trace))
        for token, one, entries in zip(trace, replayed["logprobs"]["content"], forced):
            self.assertEqual(one["token_id"], token)
            self.assertEqual({"logprob": one["logprob"], "rank": one["rank"]},
                             {key: entries[str(token)][key] for key in ("logprob", "rank")})
            self.assertEqual([top["token_id"] for top in one["top_logprobs"]], [int(id) for id in entries][:3])

    def replay(self, server: MockServer, prompt: list[int], trace: list[int], **changes) -> dict:
        parameters = {"max_tokens": len(trace), "temperature": 0.0, "logprobs": 3, "detokenize": False,
                      "trace_decode_token_ids": trace, **changes}
        body = {"token_ids": prompt, "model": "tiny", "request_id": "r", "sampling_params": parameters}
        reply = server.post("/inference/v1/generate", body)
        self.assertEqual(reply["request_id"], "generate-tokens-r")
        return reply["choices"][0]

    def test_a_trace_is_cut_at_sixteen(self):
        server = self.start("vllm")
        self.assertEqual(len(self.replay(server, PROMPT, list(range(20)))["token_ids"]), 20)
        self.assertEqual(len(self.replay(server, PROMPT, list(range(20)), max_tokens=None)["token_ids"]), 16)

    def test_echo_gives_the_same_numbers(self):
        server = self.start("vllm")
        echo = self.complete(server, echo=True, max_tokens=0)
        self.assertEqual(echo["logprobs"]["tokens"], [f"token_id:{i}" for i in PROMPT])
        own = [e[str(i)]["logprob"] for i, e in list(zip(PROMPT, echo["prompt_logprobs"]))[1:]]
        self.assertEqual(echo["logprobs"]["token_logprobs"], [None, *own])
        self.assertIsNone(echo["logprobs"]["top_logprobs"][0])

    def test_texts_and_colliding_strings(self):
        server = self.start("vllm", "--max-logprobs", "-1")
        by_text = self.complete(server, prompt="Say it again.", return_tokens_as_token_ids=False)
        by_ids = self.complete(server, prompt=by_text["prompt_token_ids"], return_tokens_as_token_ids=False)
        self.assertEqual(by_text, by_ids)
        tops = self.complete(server, logprobs=-1, return_tokens_as_token_ids=False)["logprobs"]["top_logprobs"]
        self.assertLess(len(tops[0]), 4096)

    def test_fields_that_say_what_is_usual_change_nothing(self):
        server = self.start("vllm")
        usual = {"n": 1, "stream": False, "min_tokens": 0, "top_p": 1, "top_k": -1, "min_p": 0, "presence_penalty": 0,
                 "frequency_penalty": 0, "repetition_penalty": 1, "add_special_tokens": False, "echo": False, "seed": -5,
                 "skip_special_tokens": False, "spaces_between_special_tokens": False, "stop": None, "cache_salt": "s"}
        self.assertEqual(self.complete(server, **usual), self.complete(server))
        self.assertNotEqual(self.complete(server, temperature=2, seed=1)["token_ids"], self.complete(server)["token_ids"])

    def test_refusals(self):
        server = self.start("vllm", "--no-trace")
        for field, what in (("prompt_logprobs", "prompt"), ("logprobs", "sample")):
            code, message = server.refusal("/v1/completions", {**COMPLETION, field: 21})
            self.assertEqual(code, 400)
            self.assertIn(f"Requested {what} logprobs of 21, which is greater than max allowed: 20", message)
        self.assertEqual(server.refusal("/v1/completions", {**COMPLETION, "model": "other"})[0], 404)
        self.assertEqual(server.refusal("/v1/completions", {**COMPLETION, "max_tokens": 8190})[0], 400)
        self.assertEqual(server.refusal("/v1/completions", {**COMPLETION, "prompt": [4096]})[0], 400)
        self.assertEqual(server.refusal("/v1/completions", {**COMPLETION, "top_p": 0.5})[0], 400)
        self.assertEqual(server.refusal("/v1/completions", b"{")[0], 400)
        for salt in ("a/b", "a@b", "a\\b", "a\0b", "", "a" * 129):
            self.assertIn("cache_salt", server.refusal("/v1/completions", {**COMPLETION, "cache_salt": salt})[1])
        trace = {"token_ids": PROMPT, "sampling_params": {"trace_decode_token_ids": [1], "temperature": 0}}
        self.assertIn("--enable-trace-replay", server.refusal("/inference/v1/generate", trace)[1])
        ids = {"token_ids": PROMPT, "sampling_params": {"prompt_logprob_token_ids": [[1]], "temperature": 0}}
        for rows, words in (([[1]], "rows, but the prompt has"), ([[]] * (len(PROMPT) - 1), "non-empty"),
                            ([list(range(21))] * (len(PROMPT) - 1), "greater than max allowed: 20")):
            ids["sampling_params"]["prompt_logprob_token_ids"] = rows
            self.assertIn(words, server.refusal("/inference/v1/generate", ids)[1])
        self.assertIn("V2 model runner", self.start("vllm", "--no-prompt-ids").refusal("/inference/v1/generate", ids)[1])
        server = self.start("vllm", "--no-scale-out")
        self.assertEqual(server.refusal("/inference/v1/generate", trace)[0], 403)
        trace["sampling_params"]["prompt_logprobs"] = 1
        self.assertIn("prompt_logprobs", self.start("vllm").refusal("/inference/v1/generate", trace)[1])

    def test_token(self):
        server = self.start("vllm", "--token", "s3cret")
        server.open("/health")
        self.assertEqual(server.refusal("/v1/models")[0], 401)
        self.assertEqual(server.refusal("/v1/models", headers={"Authorization": "Bearer other"})[0], 401)
        server.open("/v1/models", headers={"Authorization": "Bearer s3cret"})


class Sglang(MockServerCase):
    GENERATE = {"input_ids": PROMPT, "return_logprob": True, "logprob_start_len": 0, "top_logprobs_num": 3,
                "token_ids_logprob": [11, 13], "rid": "run-17",
                "sampling_params": {"temperature": 0, "max_new_tokens": 4, "ignore_eos": True}}

    def test_the_numbers_are_those_of_vllm(self):
        server = self.start("sglang")
        for path in ("/server_info", "/get_server_info", "/model_info"):
            self.assertIn("model_path", server.get(path))
        server.open("/health")
        reply = server.post("/generate", self.GENERATE)
        vllm = self.start("vllm").post("/v1/completions", COMPLETION)["choices"][0]
        info = reply["meta_info"]
        self.assertEqual((info["id"], info["prompt_tokens"], info["completion_tokens"]), ("run-17", 11, 4))
        self.assertEqual(reply["output_ids"], vllm["token_ids"])
        self.assertEqual(info["input_token_logprobs"][0], [None, PROMPT[0], None])
        self.assertEqual(info["input_top_logprobs"][0], None)
        self.assertEqual(len(info["input_top_logprobs"]), len(PROMPT))
        for own, top, ids, entries in zip(*(info[f"input_{name}_logprobs"][1:] for name in ("token", "top", "token_ids")),
                                          vllm["prompt_logprobs"][1:]):
            self.assertEqual(own[0], entries[str(own[1])]["logprob"])
            for rank, (logprob, token, text) in enumerate(top, 1):
                self.assertEqual((logprob, rank, text), (entries[str(token)]["logprob"], entries[str(token)]["rank"], None))
            self.assertEqual([one[1] for one in ids], [11, 13])
        self.assertEqual([one[0] for one in info["output_token_logprobs"]], vllm["logprobs"]["token_logprobs"])

    def test_fields_that_say_what_is_usual_change_nothing(self):
        server = self.start("sglang")
        usual = {"min_new_tokens": 0, "top_p": 1.0, "top_k": -1, "min_p": 0.0, "frequency_penalty": 0.0, "presence_penalty": 0.0,
                 "repetition_penalty": 1.0, "n": 1, "stop": None, "stop_token_ids": None, "skip_special_tokens": False,
                 "spaces_between_special_tokens": False, "no_stop_trim": True}
        body = {**self.GENERATE, "stream": False, "sampling_params": {**self.GENERATE["sampling_params"], **usual}}
        self.assertEqual(server.post("/generate", body), server.post("/generate", self.GENERATE))
        body["sampling_params"]["max_new_tokens"] = 0
        self.assertEqual(server.post("/generate", body)["output_ids"], [])
        self.assertEqual(server.refusal("/generate", {**body, "sampling_params": {"top_p": 0.5}})[0], 400)

    def test_start_of_log_probabilities(self):
        server = self.start("sglang")
        whole = server.post("/generate", self.GENERATE)["meta_info"]["input_token_logprobs"]
        part = server.post("/generate", {**self.GENERATE, "logprob_start_len": 6})["meta_info"]["input_token_logprobs"]
        self.assertEqual(part, [[None, PROMPT[6], None], *whole[7:]])
        self.assertEqual(server.post("/generate", {**self.GENERATE, "logprob_start_len": -1})["meta_info"]
                         ["input_token_logprobs"], [])


class Openai(MockServerCase):
    def test_texts_only(self):
        server = self.start("openai")
        body = {"model": "tiny", "prompt": "Say it again.", "max_tokens": 3, "temperature": 0, "logprobs": 2}
        choice = server.post("/v1/completions", body)["choices"][0]
        self.assertEqual(len(choice["logprobs"]["tokens"]), 3)
        self.assertNotIn("token_ids", choice)
        self.assertEqual(server.get("/v1/models")["data"][0]["id"], "tiny")
        self.assertEqual(server.refusal("/v1/completions", {**body, "prompt": PROMPT})[0], 400)
        self.assertEqual(server.refusal("/v1/completions", {**body, "logprobs": 6})[0], 400)
        self.assertEqual(server.refusal("/v1/completions", {**body, "echo": True})[0], 400)
        vllm = self.start("vllm").post("/v1/completions", {**body, "return_token_ids": True})["choices"][0]
        self.assertEqual(choice["logprobs"]["token_logprobs"], vllm["logprobs"]["token_logprobs"])
        echo = self.start("openai", "--echo").post("/v1/completions", {**body, "echo": True, "max_tokens": 0})
        self.assertEqual(len(echo["choices"][0]["logprobs"]["tokens"]), len(vllm["prompt_token_ids"]))


class Native(AssayCase, MockServerCase):
    def logprobs(self, path: pathlib.Path) -> list[float]:
        with path.open("rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            begin, end = header["logprob"]["data_offsets"]
            file.seek(begin, 1)
            return list(struct.unpack(f"<{(end - begin) // 4}f", file.read(end - begin)))

    def test_the_server_says_what_the_record_of_the_native_engine_holds(self):
        self.must(0, "generate", "e.yaml", "-o", "run")
        recorded = iter(self.logprobs(self.folder / "run" / "logprobs.safetensors"))
        server = self.start("vllm")
        for line in map(json.loads, (self.folder / "run" / "sequences.jsonl").read_text().splitlines()):
            if line["setup"] != "awq":
                continue  # after all of awq's
            body = {**COMPLETION, "prompt": line["prompt_ids"], "prompt_logprobs": 5, "logprobs": 5}
            choice = server.post("/v1/completions", body)["choices"][0]
            self.assertEqual(choice["token_ids"], line["generated_ids"])
            entries = [[e["logprob"] for e in p.values()] for p in choice["prompt_logprobs"][1:]]
            entries += [list(p.values()) for p in choice["logprobs"]["top_logprobs"]]
            for phase in (line["prefill"], line["decode"]):
                for position, count in zip(phase["positions"], phase["counts"]):
                    expected = [next(recorded) for _ in range(count)]
                    self.assertEqual(sorted(entries[position - 1], reverse=True), expected)


class Faults(MockServerCase):
    def ask(self, server: MockServer, **options):
        return server.post("/v1/completions", COMPLETION, **options)["choices"][0]

    def test_statuses(self):
        server = self.start("vllm", "--fault", "429@1,500@2-3")
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.ask(server)
        self.assertEqual((caught.exception.code, caught.exception.headers["Retry-After"]), (429, "1"))
        caught.exception.close()
        self.assertEqual(server.refusal("/v1/completions", COMPLETION)[0], 500)
        self.assertEqual(server.refusal("/v1/completions", COMPLETION)[0], 500)
        self.ask(server)
        server.open("/mock/faults", b"500@2")
        self.ask(server)
        self.assertEqual(server.refusal("/v1/completions", COMPLETION)[0], 500)
        self.assertEqual(server.get("/mock/faults"), {"counted": 6})

    def test_content(self):
        server = self.start("vllm", "--fault", "wrong_ids@2,missing_position@3,null@4,nan@5")
        good = self.ask(server)
        wrong = self.ask(server)
        self.assertNotEqual(wrong["prompt_token_ids"], PROMPT)
        self.assertEqual(len(self.ask(server)["prompt_logprobs"]), len(PROMPT) - 1)
        for value in (None, math.nan):
            faulty = self.ask(server)
            values = [e["logprob"] for entries in faulty["prompt_logprobs"][1:] for e in entries.values()]
            self.assertEqual(sum(v is None or v != v for v in values), 1)
            self.assertIn(str(value), map(str, values))
        self.assertEqual(self.ask(server), good)

    def test_only_long_prompts_count(self):
        server = self.start("vllm", "--fault", "500@1", "--fault-min-tokens", "5")
        server.post("/v1/completions", {**COMPLETION, "prompt": PROMPT[:4]})
        self.assertEqual(server.refusal("/v1/completions", COMPLETION)[0], 500)

    def test_a_cut_body(self):
        server = self.start("vllm", "--fault", "cut@1")
        with self.assertRaises(http.client.IncompleteRead) as caught:
            self.ask(server)
        self.assertGreater(caught.exception.expected, len(caught.exception.partial) // 2)
        self.ask(server)

    def test_a_reset_and_a_slow_reply(self):
        server = self.start("vllm", "--fault", "reset@1,slow@2", "--slow-ms", "60000")
        with self.assertRaises(ConnectionResetError):
            self.ask(server)
        with self.assertRaises(TimeoutError):
            self.ask(server, timeout=0.3)
        self.ask(server)
        self.assertEqual(server.end(), 0)  # at once: the slow reply does not hold it

    def test_a_reply_sent_twice(self):
        server = self.start("vllm", "--fault", "duplicate@1")
        body = json.dumps(COMPLETION).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nHost: {server.address}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(head + body)
            got = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 2)
        bodies = [part.split(b"\r\n\r\n")[1] for part in got.split(b"HTTP/1.1 200 OK")[1:]]
        self.assertEqual(bodies[0], bodies[1])
        self.assertEqual(json.loads(bodies[0])["id"], "cmpl-r1")

    def test_refused_for_a_second(self):
        server = self.start("vllm", "--fault", "refused@1")
        kept = socket.create_connection(("127.0.0.1", server.port))
        self.addCleanup(kept.close)
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
            self.ask(server)
        self.assertEqual(kept.recv(1), b"")
        with self.assertRaises(urllib.error.URLError) as caught:
            self.ask(server)
        self.assertIsInstance(caught.exception.reason, ConnectionRefusedError)
        deadline = time.monotonic() + 30
        while True:  # until it listens again
            try:
                self.ask(server)
                break
            except urllib.error.URLError:
                self.assertLess(time.monotonic(), deadline)

    def test_death(self):
        server = self.start("vllm", "--fault", "die@1")
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
            self.ask(server)
        self.assertEqual(server.end(), 3)

    def test_words_that_are_no_faults(self):
        for words in ("rest@1", "reset", "reset@0", "reset@3-2", "reset@x"):
            command = [MOCK_SERVER, "--dialect", "vllm", "--model", ".", "--quantization", "awq", "--fault", words]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(f"found {words}", done.stderr)


class Life(MockServerCase):
    def test_ends_on_sigterm_with_connections_open(self):
        with tempfile.TemporaryDirectory() as folder:
            server = self.start("sglang", "--port-file", f"{folder}/port")
            self.assertEqual(pathlib.Path(folder, "port").read_text(), str(server.port))
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        self.addCleanup(connection.close)
        connection.request("GET", "/health")
        connection.getresponse().read()
        self.assertEqual(server.end(), 0)

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
            subprocess.run(made, check=True, capture_output=True)
            server = self.start("vllm", "--tls", f"{folder}/cert.pem", f"{folder}/key.pem", "--fault", "reset@1")
            context = ssl.create_default_context(cafile=f"{folder}/cert.pem")
        server.url = server.url.replace("http:", "https:")
        with self.assertRaises(urllib.error.URLError):
            server.open("/version", context=ssl.create_default_context())
        with self.assertRaises(OSError):
            server.open("/v1/completions", COMPLETION, context=context)
        reply = json.loads(server.open("/v1/completions", COMPLETION, context=context))
        self.assertEqual(reply["choices"][0]["prompt_token_ids"], PROMPT)


if __name__ == "__main__":
    unittest.main()
