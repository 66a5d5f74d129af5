#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "http/client.h"
#include "http/test_servers.h"

namespace assay {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kToken = "sk-hunter2hunter2";

HttpRequest get_with_token(const std::string& url) {
  HttpRequest request;
  request.url = url;
  request.token = Secret(kToken);
  request.timeout_s = 20;
  request.most_redirects = 3;
  return request;
}

TEST(Secret, OfTheEnvironment) {
  ::setenv("ASSAY_TEST_TOKEN", kToken.c_str(), 1);
  EXPECT_EQ(Secret::from_environment("ASSAY_TEST_TOKEN")->reveal(), kToken);
  for (const std::string& bad : {kToken + "\nX: y", kToken + " ", std::string()}) {
    ::setenv("ASSAY_TEST_TOKEN", bad.c_str(), 1);
    const auto read = Secret::from_environment("ASSAY_TEST_TOKEN");
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message(), HasSubstr("ASSAY_TEST_TOKEN"));
    EXPECT_THAT(read.error().message(), Not(HasSubstr("hunter2")));
  }
  ::unsetenv("ASSAY_TEST_TOKEN");
  EXPECT_THAT(Secret::from_environment("ASSAY_TEST_TOKEN").error().message(), HasSubstr("not set"));
}

TEST(Secret, IsHidden) {
  const Secret secret("ab");
  EXPECT_EQ(secret.hide_in("ab cab a b ababa"), "*** c*** a b ******a");
  EXPECT_EQ(secret.hide_in(""), "");
}

// Answers each request with what Authorization it had; /to?URL redirects.
void echo_authorization(RawConnection& connection, int) {
  for (std::string request; !(request = connection.read_request()).empty();) {
    if (request.starts_with("GET /to?")) {
      const std::string url = request.substr(8, request.find(' ', 8) - 8);
      connection.write("HTTP/1.1 302 Found\r\nContent-Length: 4\r\nX-Old: 1\r\nLocation: " + url +
                       "\r\n\r\nmove");
      continue;
    }
    const std::size_t at = request.find("Authorization: ");
    connection.write(
        plain_reply(at == std::string::npos ? "none" : request.substr(at, request.find('\r', at) - at)));
  }
}

TEST(Token, GoesToTheHostThatWasAskedAndToNoOther) {
  RawTestServer here(echo_authorization);
  RawTestServer there(echo_authorization);
  HttpClient client;
  const std::string carried = "Authorization: Bearer " + kToken;
  EXPECT_EQ(client.fetch(get_with_token(here.url() + "/x")).body, carried);

  const HttpReply same = client.fetch(get_with_token(here.url() + "/to?/x"));
  EXPECT_EQ(same.body, carried);
  EXPECT_EQ(same.url, here.url() + "/x");
  EXPECT_EQ(header_of(same, "x-old"), "");  // of the redirect

  EXPECT_EQ(client.fetch(get_with_token(here.url() + "/to?" + there.url() + "/x")).body, "none");
  const std::string other_name = "http://localhost:" + std::to_string(here.port()) + "/x";
  EXPECT_EQ(client.fetch(get_with_token(here.url() + "/to?" + other_name)).body, "none");
}

TEST(Token, RedirectsAreLimited) {
  RawTestServer here(echo_authorization);
  HttpClient client;
  HttpRequest request = get_with_token(here.url() + "/to?/to?/to?/x");
  EXPECT_EQ(client.fetch(request).transport, Transport::ok);
  request.most_redirects = 1;
  EXPECT_EQ(client.fetch(request).transport, Transport::other);
  request.most_redirects = 0;
  const HttpReply reply = client.fetch(request);
  EXPECT_EQ(reply.status, 302);
  EXPECT_EQ(reply.body, "move");
  for (const std::string bad : {"file:///etc/passwd", "http://user:pass@127.0.0.1/", "ftp://127.0.0.1/"}) {
    const HttpReply refused = client.fetch(get_with_token(here.url() + "/to?" + bad));
    EXPECT_EQ(refused.transport, Transport::other) << bad;
    EXPECT_THAT(refused.trouble, Not(HasSubstr("pass@")));
  }
}

TEST(Token, IsInNoTrouble) {
  RawTestServer evil([](RawConnection& connection, int) {
    const std::string request = connection.read_request();
    if (request.starts_with("GET /host")) {
      connection.write("HTTP/1.1 302 F\r\nContent-Length: 0\r\nLocation: http://" + kToken +
                       ".invalid/\r\n\r\n");
    } else {
      connection.write("HTTP/1.1 " + kToken + "\r\nContent-Length: " + kToken + "\r\n\r\n");
    }
  });
  HttpClient client;
  for (const char* path : {"/host", "/line"}) {
    const HttpReply reply = client.fetch(get_with_token(evil.url() + path));
    EXPECT_NE(reply.transport, Transport::ok);
    EXPECT_NE(reply.trouble, "");
    EXPECT_THAT(reply.trouble, Not(HasSubstr("hunter2")));
  }
}

struct Certificate {
  std::string certificate;
  std::string key;
};

// Self-signed, made now by the program `openssl`.
Certificate make_certificate(const std::string& name, const std::string& host) {
  const std::string stem = testing::TempDir() + "assay_" + std::to_string(::getpid()) + name;
  const Certificate made{stem + ".pem", stem + ".key"};
  const std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=assay "
      "-addext subjectAltName=" +
      host + " -keyout " + made.key + " -out " + made.certificate + " 2>/dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return made;
}

std::unique_ptr<HttpTestServer> tls_server(const Certificate& of) {
  auto server = std::make_unique<HttpTestServer>(
      std::make_unique<httplib::SSLServer>(of.certificate.c_str(), of.key.c_str()));
  (*server)->Get("/", [](const auto& request, auto& reply) {
    reply.set_header("X-Client-Port", std::to_string(request.remote_port));
    reply.set_content("private", "text/plain");
  });
  server->start();
  return server;
}

TEST(Tls, CertificateAndHostAreVerified) {
  const Certificate ours = make_certificate("ours", "IP:127.0.0.1");
  const Certificate wrong = make_certificate("wrong", "DNS:elsewhere.invalid");
  const auto server = tls_server(ours);
  const auto impostor = tls_server(wrong);
  HttpClient client;
  HttpRequest request = get_with_token(server->url("https") + "/");
  HttpReply reply = client.fetch(request);  // self-signed
  EXPECT_EQ(reply.transport, Transport::tls);
  EXPECT_THAT(reply.trouble, HasSubstr("self-signed"));
  EXPECT_EQ(reply.body, "");
  request.tls.ca_file = ours.certificate;
  reply = client.fetch(request);
  EXPECT_EQ(reply.body, "private");
  EXPECT_EQ(header_of(client.fetch(request), "x-client-port"),
            header_of(reply, "x-client-port"));  // kept alive
  request.tls.ca_file = wrong.certificate;
  EXPECT_EQ(client.fetch(request).transport, Transport::tls);
  request.tls.ca_file = ours.certificate + ".missing";
  EXPECT_EQ(client.fetch(request).transport, Transport::tls);

  request = get_with_token(impostor->url("https") + "/");  // the wrong host
  request.tls.ca_file = wrong.certificate;
  EXPECT_EQ(client.fetch(request).transport, Transport::tls);
  request.tls = {"", false};  // as asked
  EXPECT_EQ(client.fetch(request).body, "private");
  for (const Certificate& of : {ours, wrong}) {
    std::filesystem::remove(of.certificate);
    std::filesystem::remove(of.key);
  }
}

TEST(Tls, AServerThatDiesInTheHandshakeIsAReset) {
  RawTestServer dying([](RawConnection& connection, int number) {
    connection.read_some();
    if (number == 0) connection.reset();
  });
  RawTestServer plain([](RawConnection& connection, int) {
    connection.write(plain_reply("no TLS here"));
    connection.wait_for_end();
  });
  HttpClient client;
  EXPECT_EQ(client.fetch(get_with_token(dying.url("https"))).transport, Transport::reset);
  EXPECT_EQ(client.fetch(get_with_token(dying.url("https"))).transport, Transport::reset);
  EXPECT_EQ(client.fetch(get_with_token(plain.url("https"))).transport, Transport::tls);
}

}  // namespace
}  // namespace assay
