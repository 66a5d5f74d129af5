// The keys of a setup that names a server. Internal to experiment.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string_view>

#include "experiment/yaml_section.h"
#include "record/record.h"

namespace assay {

inline constexpr std::array<std::string_view, 9> kServerKeys = {
    "engine",    "endpoint",       "launch",  "served_model_name", "in_flight",
    "timeout_s", "token_variable", "ca_file", "verify_tls"};

// None: `engine` is native or not there; then none of the other keys may be there. `folder` is the experiment file's.
std::optional<ServerChoice> read_server(YamlSection& section, const std::filesystem::path& folder);

}  // namespace assay
