#include "engine/remote/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

extern char** environ;

namespace assay {
namespace {

// The guard's descriptors behind 0, 1 and 2.
constexpr int kLifeline = 3;
constexpr int kReport = 4;
constexpr int kFirstFree = 5;
constexpr int kStepMs = 20;  // between two looks at a group that is ending

int child_ended[2];  // pipe that on_child writes to

void on_child(int) {
  const int before = errno;
  (void)!write(child_ended[1], "", 1);
  errno = before;
}

void tell(GuardReport::Kind kind, int value) {
  const GuardReport report{kind, value};
  (void)!write(kReport, &report, sizeof report);  // a parent that is gone hears nothing
}

[[noreturn]] void give_up(int error) {
  tell(GuardReport::failed, error);
  _exit(1);
}

// Nothing of the parent stays open: its sockets, locks and other lifelines would live on here.
void take_descriptors(int log, int lifeline, int report) {
  constexpr int kAbove = 10;
  const int copies[] = {open("/dev/null", O_RDONLY), fcntl(log, F_DUPFD, kAbove), fcntl(log, F_DUPFD, kAbove),
                        fcntl(lifeline, F_DUPFD, kAbove), fcntl(report, F_DUPFD, kAbove)};
  // open() may have given a number that is overwritten below.
  const int nothing = fcntl(copies[0], F_DUPFD, kAbove);
  dup2(nothing, 0);
  for (int fd = 1; fd < kFirstFree; ++fd) dup2(copies[fd], fd);
  if (close_range(kFirstFree, ~0U, 0) == 0) return;
  for (int fd = kFirstFree; fd < 65536; ++fd) close(fd);  // a kernel before 5.9
}

void set_signals(void (*to)(int)) {
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP})
    signal(signal_number, to);
}

[[noreturn]] void run_command(const char* command, int failed) {
  setsid();
  set_signals(SIG_DFL);
  signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const char* arguments[] = {"sh", "-c", command, nullptr};
  execve("/bin/sh", const_cast<char**>(arguments), environ);
  const int error = errno;
  (void)!write(failed, &error, sizeof error);
  _exit(127);
}

// The shell's process id; its session exists when this returns.
pid_t start_command(const char* command) {
  int failed[2];
  if (pipe2(failed, O_CLOEXEC) != 0) give_up(errno);
  const pid_t shell = fork();
  if (shell < 0) give_up(errno);
  if (shell == 0) {
    close(kLifeline);
    close(kReport);
    run_command(command, failed[1]);
  }
  close(failed[1]);
  int error = 0;
  ssize_t got = 0;
  do got = read(failed[0], &error, sizeof error);
  while (got < 0 && errno == EINTR);
  close(failed[0]);
  if (got > 0) give_up(error);
  return shell;
}

// Tells of the shell's end and takes the exit status of what ended before it, but not the shell's own: while it is
// not taken, no other process or group has its number.
void notice(pid_t shell, bool& told) {
  siginfo_t ended = {};
  while (ended.si_pid != shell) {
    ended = {};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0) return;
    if (ended.si_pid != shell) waitpid(ended.si_pid, nullptr, 0);
  }
  if (!told) tell(GuardReport::ended, ended.si_code == CLD_EXITED ? ended.si_status << 8 : ended.si_status);
  told = true;
}

// Takes the exit status of everything that ended; orphans of the command become children of the guard.
void reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// Whether the group was gone within the time.
bool gone_within(pid_t shell, int ms) {
  for (;; ms -= kStepMs) {
    reap();
    if (kill(-shell, 0) != 0) return true;
    if (ms <= 0) return false;
    const timespec step{0, kStepMs * 1000000L};
    nanosleep(&step, nullptr);
  }
}

// Children of the guard that are left: they started sessions of their own.
void kill_orphans() {
  for (int round = 0; round < 100; ++round) {
    reap();
    const int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    char text[4096];
    const ssize_t size = read(file, text, sizeof text);
    close(file);
    if (size <= 0) return;
    pid_t child = 0;
    for (const char* at = text; at != text + size; ++at) {
      if (*at >= '0' && *at <= '9') {
        child = child * 10 + (*at - '0');
      } else if (child > 0) {
        kill(child, SIGKILL);
        child = 0;
      }
    }
    const timespec step{0, kStepMs * 1000000L};
    nanosleep(&step, nullptr);
  }
}

void wait_for_end_of_lifeline(pid_t shell) {
  bool told = false;
  pollfd both[] = {{kLifeline, POLLIN, 0}, {child_ended[0], POLLIN, 0}};
  for (;;) {
    if (poll(both, 2, -1) < 0) continue;  // EINTR: on_child wrote
    if (both[1].revents != 0) {
      char buffer[64];
      (void)!read(child_ended[0], buffer, sizeof buffer);
      notice(shell, told);
    }
    if (both[0].revents != 0) return;
  }
}

}  // namespace

void run_guard(const char* command, int log, int lifeline, int report, int grace_ms) {
  setsid();
  set_signals(SIG_IGN);
  take_descriptors(log, lifeline, report);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (pipe2(child_ended, O_CLOEXEC | O_NONBLOCK) != 0) give_up(errno);
  struct sigaction action = {};
  action.sa_handler = on_child;
  sigaction(SIGCHLD, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);

  const pid_t shell = start_command(command);
  tell(GuardReport::started, shell);
  wait_for_end_of_lifeline(shell);
  kill(-shell, SIGTERM);
  if (!gone_within(shell, grace_ms)) {
    kill(-shell, SIGKILL);
    gone_within(shell, 5000);
  }
  kill_orphans();
  _exit(0);
}

}  // namespace assay
