#include "base/json.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "base/file.h"

namespace assay {
namespace {

struct TooDeep {};

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys_of_open_objects;
  std::string repeated;
  const auto watch = [&](int level, Json::parse_event_t event, Json& value) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && level >= kMostJsonLevels) throw TooDeep();
    if (event == Json::parse_event_t::object_start) keys_of_open_objects.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_of_open_objects.pop_back();
    if (event == Json::parse_event_t::key &&
        !keys_of_open_objects.back().insert(value.get<std::string>()).second) {
      repeated = value.get<std::string>();
    }
    return true;
  };
  try {
    Json parsed = Json::parse(text, watch);
    if (!repeated.empty()) return Error{file, repeated, "each key once in an object", "the key twice"};
    return parsed;
  } catch (const TooDeep&) {
    return Error{file, "", "at most " + std::to_string(kMostJsonLevels) + " levels of JSON", "more"};
  } catch (const Json::exception& problem) {
    // "[json.exception.parse_error.101] parse error at line 1, column 8: ..." -> what follows the tag
    const std::string what = problem.what();
    return Error{file, "", "JSON", what.substr(std::min(what.find("] ") + 2, what.size()))};
  }
}

Result<Json> read_json(const std::filesystem::path& path) {
  auto text = read_text(path);
  if (!text) return text.error();
  return parse_json(*text, path.string());
}

std::string describe(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array of " + std::to_string(value.size());
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

Result<void> refuse_unknown_keys(const Json& object, const std::string& file,
                                 std::span<const std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string_view near = nearest(key, known);
    const std::string hint = near.empty() ? "" : " (did you mean " + std::string(near) + "?)";
    return Error{file, key, "a known key", "an unknown one with value " + describe(value) + hint};
  }
  return {};
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
  const auto distance = [word](std::string_view other) {
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = std::exchange(row[0], i + 1);
      for (std::size_t j = 0; j < other.size(); ++j) {
        const std::size_t substituted = diagonal + (word[i] == other[j] ? 0 : 1);
        diagonal = std::exchange(row[j + 1], std::min({substituted, row[j] + 1, row[j + 1] + 1}));
      }
    }
    return row.back();
  };
  std::string_view best;
  std::size_t best_distance = word.size() / 3 + 2;  // farther words are not a slip of the finger
  for (std::string_view candidate : candidates) {
    const std::size_t d = distance(candidate);
    if (d < best_distance) {
      best_distance = d;
      best = candidate;
    }
  }
  return best;
}

}  // namespace assay
