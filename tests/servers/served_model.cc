#include "servers/served_model.h"

#include <algorithm>
#include <filesystem>

#include "checkpoint/config.h"

namespace assay {

Result<std::unique_ptr<ServedModel>> ServedModel::open(const Setup& setup, bool remember) {
  auto tokenizer = Tokenizer::open(std::filesystem::path(setup.model) / "tokenizer.json");
  if (!tokenizer) return tokenizer.error();
  auto config = read_config(setup.model);
  if (!config) return config.error();
  std::unique_ptr<ServedModel> served(new ServedModel(*std::move(tokenizer), 1, remember));
  auto engine = open_engine(setup, served->pool_, {.processor = Processor::cpu});
  if (!engine) return engine.error();
  served->engine_ = *std::move(engine);
  served->eos_ = config->eos_token_ids;
  return served;
}

Result<void> ServedModel::score_prompt(const Work& work, Answer& answer) {
  ScoreRequest request{
      .tokens = work.prompt, .prompt_length = static_cast<Index>(work.prompt.size()), .asked = {}};
  for (std::size_t i = 1; i < work.prompt.size(); ++i) {
    std::vector<TokenId> ids = work.ids_of_interest;
    if (const auto left = work.prompt.size() - i; left <= work.ids_of_positions.size()) {
      const auto& own = work.ids_of_positions[work.ids_of_positions.size() - left];
      ids.insert(ids.end(), own.begin(), own.end());
    }
    if (std::find(ids.begin(), ids.end(), work.prompt[i]) == ids.end()) ids.push_back(work.prompt[i]);
    request.asked.push_back({static_cast<Index>(i), std::move(ids), *work.prompt_top_k});
  }
  auto scores = engine_->score(request);
  if (!scores) return scores.error();
  answer.prompt_scores = std::move(scores->positions);
  return {};
}

Result<void> ServedModel::replay(const Work& work, Answer& answer) {
  const auto prompt = static_cast<Index>(work.prompt.size());
  answer.generated = *work.trace;
  if (static_cast<Index>(answer.generated.size()) > work.max_tokens) {
    answer.generated.resize(static_cast<std::size_t>(work.max_tokens));
  }
  ScoreRequest request{.tokens = work.prompt, .prompt_length = prompt, .asked = {}, .replay = Replay::decode};
  for (const TokenId id : answer.generated) {
    request.asked.push_back({static_cast<Index>(request.tokens.size()), {id}, work.top_k});
    request.tokens.push_back(id);
  }
  auto scores = engine_->score(request);
  if (!scores) return scores.error();
  answer.generated_scores = std::move(scores->positions);
  return {};
}

Result<void> ServedModel::generate(const Work& work, Answer& answer) {
  if (work.max_tokens == 0) return {};
  auto made = engine_->generate({.prompt = work.prompt,
                                 .max_new_tokens = work.max_tokens,
                                 .top_k = work.top_k,
                                 .last_positions = work.max_tokens,
                                 .ignore_eos = work.ignore_eos,
                                 .sampling = work.sampling});
  if (!made) return made.error();
  answer.generated = std::move(made->generated_ids);
  answer.generated_scores = std::move(made->decode);
  const TokenId last = answer.generated.back();
  answer.stopped = !work.ignore_eos && std::find(eos_.begin(), eos_.end(), last) != eos_.end();
  return {};
}

Result<Answer> ServedModel::compute(const Work& work) {
  const std::lock_guard lock(mutex_);
  for (const auto& [asked, answered] : remembered_) {
    if (asked == work) return answered;
  }
  Answer answer{.prompt = work.prompt};
  if (work.prompt_top_k && work.prompt.size() > 1) {
    if (auto scored = score_prompt(work, answer); !scored) return scored.error();
  }
  auto continued = work.trace ? replay(work, answer) : generate(work, answer);
  if (!continued) return continued.error();
  if (remember_) remembered_.emplace_back(work, answer);
  return answer;
}

std::string ServedModel::text_of(const std::vector<TokenId>& ids) const {
  std::vector<TokenId> plain;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(plain),
               [&](TokenId id) { return !tokenizer_.is_special(id); });
  return tokenizer_.decode(plain);
}

}  // namespace assay
