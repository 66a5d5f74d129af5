#include "http/exchange.h"

namespace assay {

const char* word(Transport transport) {
  switch (transport) {
    case Transport::ok:
      return "ok";
    case Transport::unreachable:
      return "unreachable";
    case Transport::reset:
      return "reset";
    case Transport::timed_out:
      return "timed_out";
    case Transport::cut:
      return "cut";
    case Transport::tls:
      return "tls";
    case Transport::too_long:
      return "too_long";
    case Transport::stopped:
      return "stopped";
    case Transport::other:
      return "other";
  }
  throw Fault("a Transport without a word");
}

namespace {

// libcurl has one code for a handshake that failed and one that was cut off: a server that dies during a handshake is
// no reason to distrust it. Its words for the latter: lib/vtls/openssl.c, ossl_connect_step2, lib/cf-socket.c.
bool is_cut_handshake(std::string_view words) {
  for (const char* start : {"OpenSSL SSL_connect: ", "Send failure: ", "Recv failure: "}) {
    if (words.starts_with(start)) return true;
  }
  return words.find("unexpected eof") != std::string_view::npos;
}

}  // namespace

Transport transport_of(CURLcode code, std::string_view words, bool sent) {
  switch (code) {
    case CURLE_OK:
      return Transport::ok;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
      return Transport::unreachable;
    case CURLE_OPERATION_TIMEDOUT:
      return sent ? Transport::timed_out : Transport::unreachable;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return Transport::reset;
    case CURLE_PARTIAL_FILE:
      return Transport::cut;
    case CURLE_SSL_CONNECT_ERROR:
      return is_cut_handshake(words) ? Transport::reset : Transport::tls;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
      return Transport::tls;
    case CURLE_FILESIZE_EXCEEDED:
      return Transport::too_long;
    default:
      return Transport::other;
  }
}

}  // namespace assay
