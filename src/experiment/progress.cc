#include "experiment/progress.h"

#include <string_view>

#include "base/file.h"

namespace assay {
namespace fs = std::filesystem;

Result<ProgressFile> read_progress(const fs::path& file) {
  const auto text = read_text(file);
  if (!text) return text.error();
  ProgressFile found{.file = file.string(), .plan = {}, .stamp = {}, .lines = {}, .whole = 0};
  for (std::size_t end = text->find('\n'); end != std::string::npos; end = text->find('\n', found.whole)) {
    found.lines.push_back(text->substr(found.whole, end - found.whole));
    found.whole = end + 1;
  }
  const std::string first = file.string() + ":1";
  if (found.lines.empty()) return Error{first, "", "the plan of a run", "nothing"};
  auto header = parse_json(found.lines.front(), first);
  if (!header) return header.error();
  for (const char* key : {"plan", "stamp"}) {
    if (!header->is_object() || !header->contains(key)) return Error{first, key, "an object", "nothing"};
  }
  found.plan = std::move((*header)["plan"]);
  found.stamp = std::move((*header)["stamp"]);
  found.lines.erase(found.lines.begin());
  return found;
}

std::string place_of(const std::string& file, std::size_t unit) {
  return file + ":" + std::to_string(unit + 2);
}

Result<void> same_plan(const Json& before, const Json& now, const std::string& file,
                       const std::string& whose) {
  const Json old_leaves = before.flatten();
  const Json new_leaves = now.flatten();
  const auto show = [](const Json& leaves, const std::string& key) {
    return leaves.contains(key) ? describe(leaves[key]) : std::string("nothing");
  };
  for (const Json* leaves : {&old_leaves, &new_leaves}) {
    for (const auto& [key, value] : leaves->items()) {
      if (old_leaves.contains(key) && new_leaves.contains(key) && old_leaves[key] == new_leaves[key]) {
        continue;
      }
      return Error{file, key.substr(1), show(old_leaves, key) + whose, show(new_leaves, key)};
    }
  }
  return {};
}

Result<Progress> Progress::open(const fs::path& folder, const Json& plan, const Json& stamp) {
  Progress progress(folder / "progress.jsonl", plan, stamp);
  if (fs::exists(progress.file_)) {
    if (auto resumed = progress.resume(); !resumed) return resumed.error();
    return progress;
  }
  std::error_code ignored;
  if (fs::exists(folder, ignored) && !fs::is_directory(folder, ignored)) {
    return Error{folder.string(), "", "a folder to write to", "a file"};
  }
  if (fs::exists(folder / "manifest.json", ignored)) {
    return Error{folder.string(), "", "a new folder or an interrupted run", "a complete run"};
  }
  return progress;
}

Result<void> Progress::resume() {
  auto found = read_progress(file_);
  if (!found) return found.error();
  std::error_code failed;
  if (found->whole < fs::file_size(file_)) fs::resize_file(file_, found->whole, failed);
  if (failed) return Error{file_.string(), "", "a file that can be cut", failed.message()};
  if (auto same = same_plan(found->plan, plan_, file_.string(), ", as the interrupted run has it"); !same) {
    return same;
  }
  stamp_ = std::move(found->stamp);
  lines_ = std::move(found->lines);
  started_ = true;
  return {};
}

const Json& Progress::keep(const std::string& key, const Json& value) {
  if (!started_) stamp_[key] = value;
  return stamp_[key];
}

Result<void> Progress::append(const std::string& line) {
  if (started_) {
    if (auto appended = append_line(file_, line); !appended) return appended;
  } else {
    const bool is_new = !fs::exists(file_.parent_path());
    const Json header = {{"plan", plan_}, {"stamp", stamp_}};
    if (auto written = write_atomically(file_, header.dump() + '\n' + line + '\n'); !written) {
      std::error_code ignored;
      if (is_new) fs::remove(file_.parent_path(), ignored);
      return written;
    }
    started_ = true;
  }
  lines_.push_back(line);
  return {};
}

Result<void> Progress::remove() {
  std::error_code failed;
  fs::remove(file_, failed);
  if (failed) return Error{file_.string(), "", "a file that can be removed", failed.message()};
  return {};
}

}  // namespace assay
