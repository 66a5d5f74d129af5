// The parts of a record as JSON: shared by the run folder, the progress lines, the seed's format and calibrations.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "record/record.h"

namespace assay {

// object[key] as an array of T: std::string, TokenId, Index, or float (from the nearest double).
template <class T>
Result<std::vector<T>> json_get_array(const Json& object, const std::string& file, const std::string& key);

// object[key], which must be an object (an array). The pointer lives as long as `object`.
Result<const Json*> json_get_object(const Json& object, const std::string& file, const std::string& key);
Result<const Json*> json_get_list(const Json& object, const std::string& file, const std::string& key);

// "key[3]".
std::string json_element(const std::string& key, std::size_t index);

// object[key], a count, or `absent` when the key is not there.
Result<Index> json_count_or(const Json& object, const std::string& file, const std::string& key,
                            Index absent);

// Seed files have numbers among the values (gpu_count); they are kept as their decimal text.
Json environment_to_json(const Environment& environment);
Result<Environment> environment_from_json(const Json& object, const std::string& file,
                                          const std::string& key);

// Of one sequence: "served" is written only where it says something.
void put_served(const Environment& served, Json& line);
Result<Environment> get_served(const Json& line, const std::string& file);

// {"awq": {"model_name": ..., "quantization": ..., "dtype": ..., "device": ..., "weights_sha256": ..., "profile":
// ..., "kernel": ..., "prefill_tokens": ..., "ran": {...}, "server": {...}}, ...}; from `device` on only where they
// say something (device: something else than `default_device`), and a key that is not there is "not recorded".
// Python's null is the quantization none. The keys are verifier_name's; "name": "awq" where that is another.
Json setups_to_json(const std::vector<Setup>& setups, const std::string& default_device);
Result<std::vector<Setup>> setups_from_json(const Json& object, const std::string& file,
                                            const std::string& key, const std::string& default_device);

Result<DistanceRule> distance_rule_from_json(const Json& object, const std::string& file,
                                             const std::string& key);

Json pairs_to_json(const std::vector<SetupPair>& pairs);
Result<std::vector<SetupPair>> pairs_from_json(const Json& object, const std::string& file,
                                               const std::string& key);

// {"awq": {"decode": 0.0, "prefill": 0.0, "runs": 2}, ...}; `runs` only where recorded.
Json noise_floors_to_json(const std::vector<NoiseFloor>& floors);
Result<std::vector<NoiseFloor>> noise_floors_from_json(const Json& object, const std::string& file,
                                                       const std::string& key);

// The seed's `comparisons`; counts that it does not have are written only where recorded.
// `setups` are the verifier's: claim and verifier of one setup name are on the diagonal.
Json comparisons_to_json(const std::vector<Comparison>& comparisons, const std::vector<Setup>& setups);
Result<std::vector<Comparison>> comparisons_from_json(const Json& object, const std::string& file,
                                                      const std::string& key,
                                                      const std::vector<Setup>& setups);

}  // namespace assay
