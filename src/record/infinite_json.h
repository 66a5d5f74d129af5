// JSON with infinities. Python writes them bare (Infinity), which is not JSON; our own files write the string
// "Infinity". Both are read.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace assay {

// As parse_json; a bare Infinity or -Infinity is read as the string of that name, a bare NaN is an error that
// names its line.
Result<Json> parse_infinite_json(std::string_view text, const std::string& file);
Result<Json> read_infinite_json(const std::filesystem::path& path);

// A number, or "Infinity". Fault on NaN and on -Infinity, which no distance is.
Json distance_to_json(double distance);

// Reads object[key] as a distance: a number that is not negative, or an infinity.
Result<double> distance_from_json(const Json& object, const std::string& file, const std::string& key);

enum class InfinityStyle : std::uint8_t { quoted, bare };

// Two-space indentation and a final newline. `bare` writes Infinity as Python does.
std::string dump_json(const Json& document, InfinityStyle style = InfinityStyle::quoted);

}  // namespace assay
