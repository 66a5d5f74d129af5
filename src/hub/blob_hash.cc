#include "hub/blob_hash.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "base/file.h"
#include "base/sha256.h"
#include "hub/name.h"

namespace assay {

std::string git_blob_sha1(std::span<const std::byte> bytes) {
  const std::string head = fmt::format("blob {}", bytes.size());
  std::array<unsigned char, 20> digest = {};
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> state(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  const bool done = state != nullptr && EVP_DigestInit_ex(state.get(), EVP_sha1(), nullptr) == 1 &&
                    EVP_DigestUpdate(state.get(), head.c_str(), head.size() + 1) == 1 &&  // with its NUL
                    EVP_DigestUpdate(state.get(), bytes.data(), bytes.size()) == 1 &&
                    EVP_DigestFinal_ex(state.get(), digest.data(), nullptr) == 1;
  require(done, "OpenSSL computes SHA-1");
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

Result<std::string> hash_like(const std::filesystem::path& file, const std::string& like) {
  const auto content = MappedFile::open(file);
  if (!content) return content.error();
  require(like.size() == kSha1Digits || like.size() == kSha256Digits, "the hash is a SHA-1 or a SHA-256");
  return like.size() == kSha1Digits ? git_blob_sha1(content->bytes()) : sha256_hex(content->bytes());
}

}  // namespace assay
