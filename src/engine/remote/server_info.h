// What a server tells of its configuration, made fit for a record: short, and without secrets.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/json.h"

namespace assay {

inline constexpr std::size_t kMostServerInfo = 4096;  // bytes

// Every string under a key that names_a_secret becomes "***", and so does every word of any string that looks like one
// (hf_..., sk-..., 24 letters and digits or more), but for the commit of a revision.
void mask_secrets(Json& value);
std::string mask_secrets(std::string_view text);

// The first value of a key, objects within objects included; null where there is none. "a.b" is a `b` below an `a`.
Json find_deep(const Json& value, std::string_view key);

// Those of `telling` that `info` holds anywhere, masked, as compact JSON: as many of them, in their order, as
// kMostServerInfo has room for. Two servers of one configuration give the same; what else they say (ports, processes,
// hosts) is left out.
std::string short_server_info(const Json& info, std::span<const std::string_view> telling);

}  // namespace assay
