#include "tokenizer/tokenizer_file.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "tokenizer/json_reader.h"
#include "tokenizer/normalize.h"
#include "tokenizer/strict_object.h"

namespace assay {
namespace {

using Absent = StrictObject::Absent;
using Trouble = std::optional<Error>;

class FileReader {
 public:
  FileReader(TokenizerJson json, std::string file) : json_(std::move(json)), file_(std::move(file)) {}

  Result<TokenizerFile> read() {
    StrictObject top(json_.tree, file_, "");
    top.must_be("version", {"1.0"});
    top.must_be("truncation", {nullptr}, Absent::accepted);
    top.must_be("padding", {nullptr}, Absent::accepted);
    const Json& added = top.array("added_tokens");
    const Json& normalizer = top.any("normalizer");
    const Json& pre_tokenizer = top.object("pre_tokenizer");
    const Json& post_processor = top.any("post_processor");
    const Json& decoder = top.object("decoder");
    const Json& model = top.object("model");
    if (auto trouble = top.finish()) return *trouble;
    for (const Trouble& trouble :
         {read_model(model), read_vocab(), read_normalizer(normalizer), read_added(added),
          read_pre_tokenizer(pre_tokenizer), read_byte_level(decoder, "decoder"),
          read_post_processor(post_processor, "post_processor")}) {
      if (trouble) return *trouble;
    }
    result_.merges = std::move(json_.merges);
    return std::move(result_);
  }

 private:
  Trouble read_model(const Json& json) {
    StrictObject model(json, file_, "model");
    model.must_be("type", {"BPE"});
    model.must_be("dropout", {nullptr}, Absent::accepted);
    model.must_be("unk_token", {nullptr}, Absent::accepted);
    model.must_be("continuing_subword_prefix", {nullptr, ""}, Absent::accepted);
    model.must_be("end_of_word_suffix", {nullptr, ""}, Absent::accepted);
    model.must_be("fuse_unk", {false}, Absent::accepted);
    model.must_be("byte_fallback", {false}, Absent::accepted);
    result_.ignore_merges = model.get_or("ignore_merges", false);
    return model.finish();
  }

  Trouble read_vocab() {
    std::vector<bool> taken(json_.vocab.size());
    result_.vocab.resize(taken.size());
    for (auto& [token, id] : json_.vocab) {
      const auto slot = static_cast<std::size_t>(id);
      if (slot >= taken.size() || taken[slot]) {
        return Error{file_, "model.vocab", "the ids 0 to " + std::to_string(taken.size() - 1) + ", each once",
                     std::to_string(id) + (slot < taken.size() ? " again" : "") + " for " + describe(token)};
      }
      if (!ids_.emplace(token, id).second) {
        return Error{file_, "model.vocab", "each token once", describe(token) + " again"};
      }
      taken[slot] = true;
      result_.vocab[slot] = std::move(token);
    }
    return std::nullopt;
  }

  Trouble read_added(const Json& list) {
    std::set<std::string> contents;
    std::int32_t next_id = static_cast<std::int32_t>(result_.vocab.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      StrictObject entry(list[i], file_, "added_tokens[" + std::to_string(i) + "]");
      const AddedToken token{entry.get<std::int32_t>("id"),  entry.get<std::string>("content"),
                             entry.get<bool>("single_word"), entry.get<bool>("lstrip"),
                             entry.get<bool>("rstrip"),      entry.get<bool>("normalized"),
                             entry.get<bool>("special")};
      if (token.content.empty()) entry.fail("content", "a token", "\"\"");
      if (!contents.insert(result_.normalize_nfc ? nfc(token.content) : token.content).second) {
        entry.fail("content", "each added token once, after normalizing too",
                   describe(token.content) + " again");
      }
      const auto in_vocab = ids_.find(token.content);
      const bool is_new = in_vocab == ids_.end();
      const std::int32_t id = is_new ? next_id : in_vocab->second;
      if (token.id != id) {
        entry.fail("id", std::to_string(id) + (is_new ? ", the next free id" : ", its id in model.vocab"),
                   std::to_string(token.id));
      }
      if (auto trouble = entry.finish()) return trouble;
      if (is_new) ++next_id;
      result_.added.push_back(token);
    }
    return std::nullopt;
  }

  Trouble read_normalizer(const Json& json) {
    if (json.is_null()) return std::nullopt;
    StrictObject normalizer(json, file_, "normalizer");
    normalizer.must_be("type", {"NFC"});
    result_.normalize_nfc = true;
    return normalizer.finish();
  }

  Trouble read_pre_tokenizer(const Json& json) {
    StrictObject sequence(json, file_, "pre_tokenizer");
    sequence.must_be("type", {"Sequence"});
    const Json& steps = sequence.array("pretokenizers");
    if (steps.size() != 2) sequence.fail("pretokenizers", "Split, then ByteLevel", describe(steps));
    if (auto trouble = sequence.finish()) return trouble;

    StrictObject split(steps[0], file_, "pre_tokenizer.pretokenizers[0]");
    split.must_be("type", {"Split"});
    split.must_be("behavior", {"Isolated"});
    split.must_be("invert", {false});
    const Json& pattern = split.object("pattern");
    if (auto trouble = split.finish()) return trouble;
    StrictObject regex(pattern, file_, split.place("pattern"));
    result_.split_pattern = regex.get<std::string>("Regex");
    if (auto trouble = regex.finish()) return trouble;

    StrictObject bytes(steps[1], file_, "pre_tokenizer.pretokenizers[1]");
    bytes.must_be("type", {"ByteLevel"});
    bytes.must_be("add_prefix_space", {false});
    bytes.must_be("trim_offsets", {false, true}, Absent::accepted);
    bytes.must_be("use_regex", {false});  // absent means true
    return bytes.finish();
  }

  // As a decoder and as a post-processor: its options change offsets only.
  Trouble read_byte_level(const Json& json, const std::string& path) {
    StrictObject bytes(json, file_, path);
    bytes.must_be("type", {"ByteLevel"});
    for (const char* key : {"add_prefix_space", "trim_offsets", "use_regex"}) {
      bytes.must_be(key, {false, true}, Absent::accepted);
    }
    return bytes.finish();
  }

  Trouble read_post_processor(const Json& json, const std::string& path) {
    if (json.is_null()) return std::nullopt;
    StrictObject step(json, file_, path);
    const std::string type = step.get<std::string>("type");
    if (type == "ByteLevel") return read_byte_level(json, path);
    if (type == "TemplateProcessing") return read_template(json, path);
    if (type != "Sequence") {
      step.fail("type", "null, ByteLevel, TemplateProcessing or Sequence", describe(type));
      return step.finish();
    }
    const Json& steps = step.array("processors");
    if (auto trouble = step.finish()) return trouble;
    std::size_t templates = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::string place = path + ".processors[" + std::to_string(i) + "]";
      const bool nested = steps[i].is_object() && steps[i].value("type", Json()) == "Sequence";
      templates += steps[i].is_object() && steps[i].value("type", Json()) == "TemplateProcessing" ? 1 : 0;
      if (nested || steps[i].is_null() || templates > 1) {
        return Error{file_, place, "ByteLevel, or one TemplateProcessing", describe(steps[i])};
      }
      if (auto trouble = read_post_processor(steps[i], place)) return trouble;
    }
    return std::nullopt;
  }

  // `single`: special tokens around one sequence A. `pair` says how two texts are joined, which nobody asks
  // for here.
  Trouble read_template(const Json& json, const std::string& path) {
    StrictObject whole(json, file_, path);
    whole.must_be("type", {"TemplateProcessing"});
    const Json& single = whole.array("single");
    whole.array("pair");
    const Json& specials = whole.object("special_tokens");
    if (auto trouble = whole.finish()) return trouble;
    bool sequence_seen = false;
    for (std::size_t i = 0; i < single.size(); ++i) {
      const std::string place = path + ".single[" + std::to_string(i) + "]";
      StrictObject item(single[i], file_, place);
      const bool is_sequence = single[i].is_object() && single[i].contains("Sequence");
      const Json& content = item.object(is_sequence ? "Sequence" : "SpecialToken");
      if (auto trouble = item.finish()) return trouble;
      StrictObject fields(content, file_, item.place(is_sequence ? "Sequence" : "SpecialToken"));
      const std::string name = fields.get<std::string>("id");
      fields.get<std::int32_t>("type_id");
      if (is_sequence && (sequence_seen || name != "A")) fields.fail("id", "A, once", describe(name));
      if (auto trouble = fields.finish()) return trouble;
      sequence_seen = sequence_seen || is_sequence;
      if (is_sequence) continue;
      if (auto trouble = read_special(specials, name, path, sequence_seen ? result_.after : result_.before))
        return trouble;
    }
    if (!sequence_seen) return Error{file_, path + ".single", "the sequence A", "none"};
    return std::nullopt;
  }

  Trouble read_special(const Json& specials, const std::string& name, const std::string& path,
                       std::vector<std::int32_t>& ids) {
    const std::string place = path + ".special_tokens." + name;
    if (!specials.contains(name)) return Error{file_, place, "an object", "nothing"};
    StrictObject special(specials.at(name), file_, place);
    special.must_be("id", {name});
    const Json& its_ids = special.array("ids");
    special.array("tokens");
    if (auto trouble = special.finish()) return trouble;
    const auto token = std::find_if(result_.added.begin(), result_.added.end(),
                                    [&](const AddedToken& added) { return added.content == name; });
    if (token == result_.added.end()) return Error{file_, place, "one of added_tokens", "another"};
    if (its_ids != Json::array({token->id})) {
      return Error{file_, special.place("ids"), "[" + std::to_string(token->id) + "], the id in added_tokens",
                   its_ids.dump()};
    }
    ids.push_back(token->id);
    return std::nullopt;
  }

  TokenizerJson json_;
  std::string file_;
  TokenizerFile result_;
  std::unordered_map<std::string, std::int32_t> ids_;  // of model.vocab
};

}  // namespace

Result<TokenizerFile> parse_tokenizer_file(std::string_view text, const std::string& file) {
  auto json = read_tokenizer_json(text, file);
  if (!json) return json.error();
  return FileReader(*std::move(json), file).read();
}

}  // namespace assay
