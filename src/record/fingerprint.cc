#include "record/fingerprint.h"

#include <bit>
#include <string_view>

#include "base/sha256.h"

namespace assay {
namespace {

// Canonical bytes: integers little-endian, texts and lists preceded by their length as 64 bits.
class Canonical {
 public:
  explicit Canonical(std::string_view title) { text(title); }

  void text(std::string_view value) {
    integer(static_cast<std::uint64_t>(value.size()));
    bytes_ += value;
  }
  template <class Integer>
  void integer(Integer value) {
    const auto bits = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof(Integer); ++i) bytes_ += static_cast<char>((bits >> (8 * i)) & 0xff);
  }
  void ids(const std::vector<TokenId>& values) {
    integer(static_cast<std::uint64_t>(values.size()));
    for (TokenId id : values) integer(id);
  }
  void phase(const std::vector<PositionScores>& positions) {
    integer(static_cast<std::uint64_t>(positions.size()));
    for (const PositionScores& position : positions) {
      integer(position.position);
      integer(static_cast<std::uint64_t>(position.scores.size()));
      for (const TokenScore& score : position.scores) {
        integer(score.id);
        integer(std::bit_cast<std::uint32_t>(score.logprob));
        integer(score.rank);
      }
    }
  }
  void tokens(const std::vector<TokenCheck>& checks) {
    integer(static_cast<std::uint64_t>(checks.size()));
    for (const TokenCheck& check : checks) {
      integer(check.position);
      integer(check.rank);
      integer(std::bit_cast<std::uint32_t>(check.margin));
      integer(std::bit_cast<std::uint32_t>(check.logprob));
    }
  }
  std::string hash() const { return sha256_hex(std::string_view(bytes_)); }

 private:
  std::string bytes_;
};

}  // namespace

std::string fingerprint(const Record& record) {
  Canonical bytes("assay record 1");
  for (const Generation& generation : record.generations) {
    bytes.text(generation.setup);
    bytes.integer(generation.reference);
    bytes.ids(generation.prompt_ids);
    bytes.ids(generation.generated_ids);
    bytes.phase(generation.prefill);
    bytes.phase(generation.decode);
  }
  return bytes.hash();
}

std::string fingerprint(const Verification& verification) {
  Canonical bytes("assay verification 2");
  for (const Reexecution& run : verification.reexecutions) {
    bytes.text(run.claimed);
    bytes.text(run.verifier);
    bytes.integer(run.reference);
    bytes.phase(run.prefill);
    bytes.phase(run.decode);
    bytes.tokens(run.tokens);
  }
  return bytes.hash();
}

}  // namespace assay
