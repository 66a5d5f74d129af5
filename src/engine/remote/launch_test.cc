#include "engine/remote/launch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "engine/remote/masked.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr double kLongest = 60;  // seconds; only a failing test takes them
const auto kNever = [] { return false; };

Setup launched(const std::string& launch, const std::string& model = "Qwen/Qwen3-8B-AWQ") {
  Setup setup{
      .name = "awq", .model = model, .quantization = "awq_marlin", .dtype = "float16", .device = "ieee"};
  setup.server = ServerChoice{.engine = "vllm", .launch = launch};
  return setup;
}

class LaunchTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "launch_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path log() const { return folder_ / "server.log"; }
  std::string log_text() const {
    std::ostringstream text;
    text << std::ifstream(log()).rdbuf();
    return text.str();
  }

  fs::path folder_;
};

// A FIFO that processes hold open: its end is read once the last of them is gone.
class Holders {
 public:
  explicit Holders(fs::path path) : path_(std::move(path)) {
    EXPECT_EQ(mkfifo(path_.c_str(), 0600), 0);
    fd_ = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    EXPECT_GE(fd_, 0);
  }
  ~Holders() { close(fd_); }
  // What a command has to run before its children start.
  std::string hold() const { return "exec 9>" + path_.string() + "; "; }
  // The next bytes, "" at the end, "time-out".
  std::string read_some() const {
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(kLongest * 1000)) <= 0) return "time-out";
    char text[64];
    const ssize_t got = read(fd_, text, sizeof text);
    return got < 0 ? "error" : std::string(text, static_cast<std::size_t>(got));
  }

 private:
  fs::path path_;
  int fd_ = -1;
};

bool listens(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

double seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(LaunchCommandTest, FillsAndQuotes) {
  const auto command = launch_command(
      launched("vllm serve {model} --quantization {quantization} --dtype {dtype} --port {port}"), 8123);
  ASSERT_TRUE(command.ok()) << command.error().message();
  EXPECT_EQ(*command, "vllm serve Qwen/Qwen3-8B-AWQ --quantization awq_marlin --dtype float16 --port 8123");
  EXPECT_EQ(*launch_command(launched("x {model}", "my models/it's \"$HOME\" `id`"), 1),
            R"(x 'my models/it'\''s "$HOME" `id`')");
  EXPECT_EQ(*launch_command(launched("x {model}", ""), 1), "x ''");
  EXPECT_EQ(*launch_command(launched("x --set '{{\"a\": {port}}'"), 7), "x --set '{\"a\": 7}'");
  EXPECT_EQ(*launch_command(launched(R"(x \"{model})", "a b"), 7), R"(x \"'a b')");
}

TEST(LaunchCommandTest, RefusesOtherWords) {
  for (const char* text : {"x {host}", "x ${HOME}", "x {}", "x { port }", "x {port", "x {", ""}) {
    const auto command = launch_command(launched(text), 1);
    ASSERT_FALSE(command.ok()) << text;
    EXPECT_EQ(command.error().key, "launch");
  }
  EXPECT_NE(launch_command(launched("x {host}"), 1).error().message().find("{host}"), std::string::npos);
  for (const char* text : {"sh -c 'x {model}'", "sh -c \"x {model}\"", "x \\{model}"}) {
    EXPECT_FALSE(launch_command(launched(text, "a b"), 1).ok()) << text;
  }
}

TEST(MaskedTest, HidesSecretsOfTheEnvironment) {
  ASSERT_EQ(setenv("LAUNCH_TEST_TOKEN", "tok-1234567890", 1), 0);
  ASSERT_EQ(setenv("LAUNCH_TEST_PLACE", "plain-1234567890", 1), 0);
  EXPECT_EQ(masked("a tok-1234567890 b tok-1234567890 plain-1234567890"), "a *** b *** plain-1234567890");
  unsetenv("LAUNCH_TEST_TOKEN");
  unsetenv("LAUNCH_TEST_PLACE");
}

TEST(MaskedTest, OneSecretMayBeginAnother) {
  for (const bool short_first : {true, false}) {
    setenv(short_first ? "LAUNCH_TEST_1_KEY" : "LAUNCH_TEST_2_KEY", "tok-12345678", 1);
    setenv(short_first ? "LAUNCH_TEST_2_KEY" : "LAUNCH_TEST_1_KEY", "tok-12345678-more", 1);
    EXPECT_EQ(masked("a tok-12345678-more b tok-12345678"), "a *** b ***");
  }
  unsetenv("LAUNCH_TEST_1_KEY");
  unsetenv("LAUNCH_TEST_2_KEY");
}

TEST_F(LaunchTest, StartsAServerAndEndsIt) {
  const auto port = free_port();
  ASSERT_TRUE(port.ok());
  const auto command =
      launch_command(launched("cd {model} && exec python3 -m http.server --bind 127.0.0.1 {port}",
                              (folder_ / "a folder's name").string()),
                     *port);
  fs::create_directory(folder_ / "a folder's name");
  ASSERT_TRUE(command.ok()) << command.error().message();
  std::ofstream(log()) << "an earlier run\n";
  auto server = LaunchedServer::start(*command, log());
  ASSERT_TRUE(server.ok()) << server.error().message();
  const auto healthy = (*server)->wait_until([&] { return listens(*port); }, kLongest, kNever);
  ASSERT_TRUE(healthy.ok()) << healthy.error().message() << log_text();
  EXPECT_TRUE((*server)->running());
  server->reset();
  EXPECT_FALSE(listens(*port));
  EXPECT_EQ(log_text().substr(0, 15), "an earlier run\n");
}

TEST_F(LaunchTest, EndsGrandchildrenToo) {
  const Holders holders(folder_ / "fifo");
  // One in the group, one in a session of its own.
  auto server =
      LaunchedServer::start(holders.hold() + "sleep 1000 & setsid sleep 1000 & echo up >&9; wait", log());
  ASSERT_TRUE(server.ok()) << server.error().message();
  EXPECT_EQ(holders.read_some(), "up\n");
  server->reset();
  EXPECT_EQ(holders.read_some(), "");
}

TEST_F(LaunchTest, KillsWhatDoesNotHearSigterm) {
  const Holders holders(folder_ / "fifo");
  auto server = LaunchedServer::start(
      "trap '' TERM; " + holders.hold() + "echo up >&9; while true; do sleep 1000; done", log(), 0.1);
  ASSERT_TRUE(server.ok()) << server.error().message();
  EXPECT_EQ(holders.read_some(), "up\n");
  EXPECT_LT(seconds_of([&] { server->reset(); }), 5);
  EXPECT_EQ(holders.read_some(), "");
}

TEST_F(LaunchTest, EndsTheServerWhenThisProcessIsKilled) {
  const Holders holders(folder_ / "fifo");
  const pid_t parent = fork();
  if (parent == 0) {
    auto server = LaunchedServer::start(holders.hold() + "sleep 1000 & echo up >&9; wait", log());
    for (;;) pause();
  }
  EXPECT_EQ(holders.read_some(), "up\n");
  kill(parent, SIGKILL);
  EXPECT_EQ(waitpid(parent, nullptr, 0), parent);
  EXPECT_EQ(holders.read_some(), "");
}

TEST_F(LaunchTest, KeepsNoDescriptorOfThisProcess) {
  const Holders holders(folder_ / "fifo");
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);  // on purpose without O_CLOEXEC
  auto server =
      LaunchedServer::start("ls /proc/self/fd; " + holders.hold() + "echo up >&9; exec sleep 1000", log());
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(holders.read_some(), "up\n");
  close(ends[1]);
  pollfd waiting{ends[0], POLLIN, 0};
  EXPECT_EQ(poll(&waiting, 1, 0), 1) << "somebody holds the pipe";
  close(ends[0]);
  EXPECT_EQ(log_text(), "0\n1\n2\n3\n");  // 3 is the folder that ls reads
}

TEST_F(LaunchTest, TellsOfAnEarlyEnd) {
  std::ofstream(log()) << "an earlier run\n";
  auto server =
      LaunchedServer::start("for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; exit 3", log());
  ASSERT_TRUE(server.ok());
  const auto waited = (*server)->wait_until(kNever, kLongest, kNever);
  ASSERT_FALSE(waited.ok());
  EXPECT_EQ(waited.error().file, log());
  const std::string found = waited.error().found;
  EXPECT_NE(found.find("exit status 3"), std::string::npos) << found;
  EXPECT_NE(found.find("line 3\n"), std::string::npos) << found;
  EXPECT_NE(found.find("line 12"), std::string::npos) << found;
  EXPECT_EQ(found.find("line 2\n"), std::string::npos) << found;
  EXPECT_FALSE((*server)->running());

  auto killed = LaunchedServer::start("kill -9 $$", log());
  ASSERT_TRUE(killed.ok());
  EXPECT_NE((*killed)->wait_until(kNever, kLongest, kNever).error().found.find("signal 9"),
            std::string::npos);
}

TEST_F(LaunchTest, ASecretAcrossTheEndOfTheTailIsNotShown) {
  ASSERT_EQ(setenv("LAUNCH_TEST_TOKEN", "tok-1234567890", 1), 0);
  for (const int behind : {8192 - 7, 8192 - 9, 8192 - 12}) {
    auto server = LaunchedServer::start(
        "printf '%s%*s' \"$LAUNCH_TEST_TOKEN\" " + std::to_string(behind) + " .; exit 3", log());
    ASSERT_TRUE(server.ok());
    const auto waited = (*server)->wait_until(kNever, kLongest, kNever);
    ASSERT_FALSE(waited.ok());
    EXPECT_EQ(waited.error().found.find("7890"), std::string::npos);
  }
  unsetenv("LAUNCH_TEST_TOKEN");
}

TEST_F(LaunchTest, OnlyTheOwnerReadsTheLog) {
  auto server = LaunchedServer::start("exec sleep 1000", log());
  ASSERT_TRUE(server.ok());
  struct stat about = {};
  ASSERT_EQ(stat(log().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600U);
}

// The number of the process group that is ended at last is given to no other process before.
TEST_F(LaunchTest, TheNumberOfAShellThatEndedStaysTaken) {
  const fs::path told = folder_ / "pid";
  auto server = LaunchedServer::start("echo $$ > " + told.string() + "; exit 3", log());
  ASSERT_TRUE(server.ok());
  ASSERT_FALSE((*server)->wait_until(kNever, kLongest, kNever).ok());
  pid_t shell = 0;
  std::ifstream(told) >> shell;
  ASSERT_GT(shell, 0);
  EXPECT_EQ(kill(shell, 0), 0);
  server->reset();
  EXPECT_NE(kill(shell, 0), 0);
}

TEST_F(LaunchTest, SignalsDoNotHinderTheStart) {
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGALRM, &action, &before), 0);
  const itimerval often{{0, 500}, {0, 500}};
  const itimerval never = {};
  for (int i = 0; i < 20; ++i) {
    setitimer(ITIMER_REAL, &often, nullptr);
    auto server = LaunchedServer::start("exec sleep 1000", log());
    setitimer(ITIMER_REAL, &never, nullptr);
    EXPECT_TRUE(server.ok()) << server.error().message();
  }
  sigaction(SIGALRM, &before, nullptr);
}

TEST_F(LaunchTest, AnotherServerAtThePortIsNotThisOne) {
  auto server = LaunchedServer::start("exit 1", log());
  ASSERT_TRUE(server.ok());
  bool asked = false;
  const auto waited = (*server)->wait_until(
      [&] {
        while ((*server)->running()) {
        }
        return asked = true;
      },
      kLongest, kNever);
  EXPECT_FALSE(waited.ok());
}

TEST_F(LaunchTest, StopsWaiting) {
  auto server = LaunchedServer::start("echo not yet; exec sleep 1000", log());
  ASSERT_TRUE(server.ok());
  const auto late = (*server)->wait_until(kNever, 0.05, kNever);
  ASSERT_FALSE(late.ok());
  EXPECT_NE(late.error().expected.find("within 0.05 s"), std::string::npos);
  const auto stopped = (*server)->wait_until(kNever, kLongest, [] { return true; });
  ASSERT_FALSE(stopped.ok());
  EXPECT_NE(stopped.error().found.find("stop"), std::string::npos);
  EXPECT_TRUE((*server)->running());
}

TEST_F(LaunchTest, RefusesALogThatCannotBe) {
  EXPECT_FALSE(LaunchedServer::start("true", folder_ / "none" / "server.log").ok());
}

}  // namespace
}  // namespace assay
