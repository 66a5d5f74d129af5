#include "tokenizer/json_reader.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace assay {
namespace {

constexpr std::size_t kMostNesting = 64;

class Reader : public nlohmann::json_sax<Json> {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}

  Result<TokenizerJson> read(std::string_view text) {
    if (!Json::sax_parse(text, this)) return *error_;
    if (!vocab_seen_) return Error{file_, "model.vocab", "an object", "nothing"};
    if (!merges_seen_) return Error{file_, "model.merges", "an array", "nothing"};
    return std::move(result_);
  }

  bool null() override { return scalar(nullptr); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override { return scalar(value); }
  bool number_float(number_float_t value, const string_t&) override { return scalar(value); }
  bool binary(binary_t&) override { return refuse("", "JSON", "binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (part_ != Part::vocab || value > std::numeric_limits<std::int32_t>::max()) return scalar(value);
    result_.vocab.emplace_back(std::move(key_), static_cast<std::int32_t>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (part_ == Part::merge) {
      pair_.push_back(std::move(value));
      return true;
    }
    return part_ == Part::merges ? old_merge(value) : scalar(std::move(value));
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    if (part_ == Part::vocab || !open_.back()->contains(key_)) return true;
    return refuse(place(), "each key once in an object", "the key twice");
  }

  bool start_object(std::size_t) override {
    if (part_ == Part::tree && in_model() && key_ == "vocab") return enter(Part::vocab, vocab_seen_);
    return part_ == Part::tree ? open(Json::object()) : wrong("an object");
  }

  bool start_array(std::size_t) override {
    if (part_ == Part::merges) {
      part_ = Part::merge;
      pair_.clear();
      return true;
    }
    if (part_ == Part::tree && in_model() && key_ == "merges") return enter(Part::merges, merges_seen_);
    return part_ == Part::tree ? open(Json::array()) : wrong("an array");
  }

  bool end_object() override { return close(); }
  bool end_array() override { return part_ == Part::merge ? end_merge() : close(); }

  bool parse_error(std::size_t, const std::string&, const Json::exception& problem) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 8: ..." -> what follows the tag
    const std::string what = problem.what();
    return refuse("", "JSON", what.substr(std::min(what.find("] ") + 2, what.size())));
  }

 private:
  enum class Part : std::uint8_t { tree, vocab, merges, merge };  // merge: inside one pair of merges

  bool refuse(std::string key, std::string expected, std::string found) {
    error_ = Error{file_, std::move(key), std::move(expected), std::move(found)};
    return false;
  }

  bool wrong(const std::string& found) {
    if (part_ == Part::vocab) return refuse("model.vocab." + key_, "an id", found);
    return refuse(merge_place(), "a pair of tokens", found);
  }

  std::string merge_place() const { return "model.merges[" + std::to_string(result_.merges.size()) + "]"; }
  bool in_model() const { return names_.size() == 2 && names_[1] == "model"; }
  std::string place() const {
    std::string path;
    for (std::size_t i = 1; i < names_.size(); ++i) path += names_[i] + ".";
    return path + key_;
  }

  bool enter(Part part, bool& seen) {
    if (seen) return refuse(place(), "each key once in an object", "the key twice");
    seen = true;
    part_ = part;
    return true;
  }

  bool scalar(Json value) {
    if (part_ != Part::tree) return wrong(describe(value));
    place_value(std::move(value));
    return true;
  }

  Json* place_value(Json value) {
    if (open_.empty()) return &(result_.tree = std::move(value));
    if (open_.back()->is_array()) return &open_.back()->emplace_back(std::move(value));
    return &((*open_.back())[key_] = std::move(value));
  }

  bool open(Json container) {
    if (open_.size() == kMostNesting) return refuse(place(), "nesting of at most 64", "more");
    names_.push_back(open_.empty() || open_.back()->is_array() ? "" : key_);
    open_.push_back(place_value(std::move(container)));
    return true;
  }

  bool close() {
    if (part_ == Part::tree) {
      open_.pop_back();
      names_.pop_back();
    }
    part_ = Part::tree;
    return true;
  }

  bool end_merge() {
    if (pair_.size() != 2) return wrong("an array of " + std::to_string(pair_.size()));
    result_.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
    part_ = Part::merges;
    return true;
  }

  bool old_merge(const std::string& text) {
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos)
      return wrong(describe(text));
    result_.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
    return true;
  }

  std::string file_;
  TokenizerJson result_;
  std::optional<Error> error_;
  Part part_ = Part::tree;
  bool vocab_seen_ = false;
  bool merges_seen_ = false;
  std::string key_;                 // the last one read
  std::vector<Json*> open_;         // containers being filled, outermost first
  std::vector<std::string> names_;  // their keys
  std::vector<std::string> pair_;
};

}  // namespace

Result<TokenizerJson> read_tokenizer_json(std::string_view text, const std::string& file) {
  return Reader(file).read(text);
}

}  // namespace assay
