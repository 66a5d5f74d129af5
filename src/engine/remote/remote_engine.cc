#include "engine/remote/remote_engine.h"

#include <fmt/format.h>

#include <random>

#include "base/sha256.h"
#include "engine/remote/capability_words.h"
#include "engine/remote/in_order.h"
#include "engine/remote/score_parts.h"

namespace assay {
namespace {

FleetOptions fleet_options(const RemoteParts& parts, std::uint64_t seed) {
  return {.endpoints = parts.endpoints,
          .most_in_flight = parts.in_flight,
          .health_path = parts.dialect->health_path(),
          .seed = seed};
}

// One request of a fleet's run, from when it is made to when its reply is taken.
template <class Request>
struct Asked {
  Request request;
  std::string id;  // of the latest try
};

// Of a scoring run: which part of which job each of the fleet's jobs is.
struct PartOfJob {
  Index job = 0;
  ScorePart part = ScorePart::whole;
};

// The parts of each job until all of them are there.
struct Unjoined {
  std::vector<ScorePart> parts;
  std::map<ScorePart, Scores> scores;
};

}  // namespace

RemoteEngine::RemoteEngine(RemoteParts parts, const EngineOptions& options)
    : parts_(std::move(parts)),
      options_(options),
      fleet_(*parts_.client, fleet_options(parts_, std::random_device()())) {
  std::random_device random;
  run_ = fmt::format("assay-{:08x}{:08x}", random(), random());
}

HttpRequest RemoteEngine::completed(HttpRequest request) const {
  parts_.transfer.complete(request);
  return request;
}

std::string RemoteEngine::next_id(Index job) { return fmt::format("{}-{}-{}", run_, job, ++asked_); }

Environment RemoteEngine::served_by(const FleetReply& reply, Environment told) {
  Environment served = {{"endpoint", reply.endpoint}};
  for (auto& [key, value] : told) served.emplace_back(key, parts_.transfer.hidden(std::move(value)));
  served.emplace_back("reply_sha256", sha256_hex(reply.http.body));
  const std::string fingerprint = lookup(served, "fingerprint");
  if (fingerprint.empty()) return served;  // of a route that tells none, as vLLM's /inference/v1/generate
  const auto [before, fresh] = fingerprints_.emplace(reply.endpoint, fingerprint);
  if (!fresh && before->second != fingerprint && !warned_) {
    options_.log(fmt::format(
        "{}: replies carry different fingerprints ({} and {}): a router hides which replica computes",
        reply.endpoint, before->second, fingerprint));
    warned_ = true;
  }
  return served;
}

Result<bool> RemoteEngine::run(FleetWork work, const std::function<bool()>& stopped,
                               const std::optional<Error>& ended) {
  bool died = false;
  work.stopped = [&] {
    died = died || (parts_.server && !parts_.server->running());
    return died || ended || stopped() || options_.stopped();
  };
  work.log = options_.log;
  auto done = fleet_.run(work);
  if (ended) return *ended;
  if (died)
    return Error{parts_.limits.setup, "launch", "a server that runs to the end", "it ended (see its log)"};
  return done;
}

Result<Scores> RemoteEngine::score(const ScoreRequest& request) {
  Scores all;
  const ScoreJobs one{.count = 1,
                      .request = [&](Index) { return request; },
                      .take = [&](Index, Scores scores) { return all = std::move(scores), Result<void>(); }};
  auto done = score_all(one, request.replay);
  if (!done) return done.error();
  if (!*done) return Error{parts_.limits.setup, "score", "an answer", "stopped"};
  return all;
}

Result<bool> RemoteEngine::score_all(const ScoreJobs& jobs, Replay) {
  std::vector<PartOfJob> parts;
  std::vector<Unjoined> unjoined(static_cast<std::size_t>(jobs.count));
  for (Index job = 0; job < jobs.count; ++job) {
    if (jobs.stopped() || options_.stopped()) return false;
    const ScoreRequest request = jobs.request(job);
    if (auto checked = check_request(request, parts_.limits); !checked) return checked.error();
    auto& wanted = unjoined[static_cast<std::size_t>(job)].parts;
    wanted = parts_of(request);
    for (const ScorePart part : wanted) parts.push_back({job, part});
  }
  std::optional<Error> ended;
  InOrder<Scores> in_order(jobs.take);
  const auto put = [&](Index job, Scores scores) {
    if (auto taken = in_order.put(job, std::move(scores)); !taken) ended = taken.error();
  };
  for (Index job = 0; job < jobs.count && !ended; ++job) {
    if (unjoined[static_cast<std::size_t>(job)].parts.empty()) put(job, {});
  }
  std::map<Index, Asked<ScoreRequest>> asked;
  FleetWork work;
  work.jobs = std::ssize(parts);
  work.request = [&](Index at) {
    const auto [job, part] = parts[static_cast<std::size_t>(at)];
    const auto [entry, fresh] = asked.try_emplace(at);
    if (fresh) entry->second.request = part_of(jobs.request(job), part);
    entry->second.id = next_id(job);
    return completed(parts_.dialect->score_request(entry->second.request, parts_.probe, entry->second.id));
  };
  work.take = [&](Index at, const FleetReply& reply) -> Result<void> {
    const auto [job, part] = parts[static_cast<std::size_t>(at)];
    const auto entry = asked.find(at);
    const auto& [request, id] = entry->second;
    auto scores = parts_.dialect->read_scores(request, parts_.probe, id, reply.http);
    if (!scores) return scores.error();
    scores->served = served_by(reply, std::move(scores->served));
    tokens_computed_ += std::ssize(request.tokens);
    asked.erase(entry);
    Unjoined& whole = unjoined[static_cast<std::size_t>(job)];
    whole.scores.emplace(part, *std::move(scores));
    if (whole.scores.size() < whole.parts.size()) return {};
    std::vector<Scores> in_parts;
    for (const ScorePart one : whole.parts) in_parts.push_back(std::move(whole.scores.at(one)));
    whole.scores.clear();
    put(job, join_parts(std::move(in_parts)));
    return {};
  };
  return run(std::move(work), jobs.stopped, ended);
}

Result<Generation> RemoteEngine::generate(const GenerateRequest& request) {
  Generation made;
  const GenerateJobs one{.count = 1,
                         .request = [&](Index) { return request; },
                         .take = [&](Index, Generation g) { return made = std::move(g), Result<void>(); }};
  auto done = generate_all(one);
  if (!done) return done.error();
  if (!*done) return Error{parts_.limits.setup, "generate", "an answer", "stopped"};
  return made;
}

Result<bool> RemoteEngine::generate_all(const GenerateJobs& jobs) {
  for (Index job = 0; job < jobs.count; ++job) {
    if (jobs.stopped() || options_.stopped()) return false;
    const GenerateRequest request = jobs.request(job);
    if (auto checked = check_request(request, parts_.limits); !checked) return checked.error();
    if (auto allowed = parts_.dialect->allows(request, parts_.probe); !allowed) {
      Error error = allowed.error();
      error.file = parts_.limits.setup;
      return error;
    }
  }
  std::optional<Error> ended;
  InOrder<Generation> in_order(jobs.take);
  std::map<Index, Asked<GenerateRequest>> asked;
  FleetWork work;
  work.jobs = jobs.count;
  work.request = [&](Index job) {
    const auto [entry, fresh] = asked.try_emplace(job);
    if (fresh) entry->second.request = jobs.request(job);
    entry->second.id = next_id(job);
    return completed(parts_.dialect->generate_request(entry->second.request, parts_.probe, entry->second.id));
  };
  work.take = [&](Index job, const FleetReply& reply) -> Result<void> {
    const auto entry = asked.find(job);
    const auto& [request, id] = entry->second;
    auto made = parts_.dialect->read_generation(request, parts_.probe, id, reply.http);
    if (!made) return made.error();
    made->served = served_by(reply, std::move(made->served));
    tokens_computed_ += std::ssize(made->prompt_ids) + std::ssize(made->generated_ids);
    asked.erase(entry);
    if (auto taken = in_order.put(job, *std::move(made)); !taken) ended = taken.error();
    return {};
  };
  return run(std::move(work), jobs.stopped, ended);
}

Environment RemoteEngine::describe() const {
  Environment ran = {{"engine", parts_.dialect->name()}};
  for (auto& entry : capability_words(parts_.probe.capabilities)) ran.push_back(std::move(entry));
  for (const auto& [key, value] : parts_.probe.identity) ran.emplace_back("server_" + key, value);
  const bool invariant = parts_.probe.capabilities.batch_invariant;
  ran.emplace_back("ids_scored", parts_.probe.capabilities.ids_by_position ? "all_in_prefill" : "top_k");
  ran.emplace_back("rows_change_bits", invariant ? "no" : "yes");
  ran.emplace_back("determinism", invariant ? "deterministic" : "not_deterministic");
  return ran;
}

}  // namespace assay
