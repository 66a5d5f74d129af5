// mock_server: see options.cc. Prints "listening on 127.0.0.1:PORT" and serves until SIGTERM or SIGINT.
#include <csignal>
#include <cstdio>
#include <thread>

#include "base/file.h"
#include "servers/exchange.h"
#include "servers/routes.h"

namespace assay {
namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "mock_server: %s\n", error.message().c_str());
  return 2;
}

int serve(const ServerOptions& options, const sigset_t& ending) {
  auto model = ServedModel::open(options.setup, options.remember);
  if (!model) return fail(model.error());
  auto listener = Listener::open(options);
  if (!listener) return fail(listener.error());
  Exchange exchange(options, **model, **listener);
  if (options.dialect == "vllm") add_vllm_routes(exchange);
  if (options.dialect == "sglang") add_sglang_routes(exchange);
  if (options.dialect == "openai") add_openai_routes(exchange);
  const int port = (*listener)->port();
  if (!options.port_file.empty()) {
    if (auto wrote = write_atomically(options.port_file, std::to_string(port)); !wrote)
      return fail(wrote.error());
  }
  std::printf("listening on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  std::thread waiter([&] {
    int signal = 0;
    sigwait(&ending, &signal);
    (*listener)->stop();
  });
  (*listener)->run();
  waiter.join();
  return 0;
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  // Before any thread is made: all of them leave these signals to the one that waits.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ending, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const auto parsed = assay::parse_server_options(argc, argv);
  return parsed.options ? assay::serve(*parsed.options, ending) : parsed.exit_code;
}
