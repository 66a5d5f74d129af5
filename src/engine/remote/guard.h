// The process between this one and a launched server: it outlives both, and ends the server's whole tree. Only for
// launch.cc.
#pragma once

namespace assay {

// What the guard tells, one write each.
struct GuardReport {
  enum Kind : int { started, failed, ended };
  int kind = failed;
  int value = 0;  // process id of the shell; errno; status as waitpid gives it
};

// Runs in a forked child and never returns. `lifeline` is the read end of a pipe whose only write end the parent
// holds: once that is closed, by will or by death, SIGTERM goes to the command's process group, SIGKILL after
// `grace_ms`, and SIGKILL to descendants that left the group. `report` takes GuardReports. Calls only what is safe in
// a fork of a process with threads.
[[noreturn]] void run_guard(const char* command, int log, int lifeline, int report, int grace_ms);

}  // namespace assay
