#include "experiment/progress.h"

#include <string_view>

#include "base/file.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

// The first leaf in which two plans differ.
Result<void> same_plan(const Json& before, const Json& now, const std::string& file) {
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
      return Error{file, key.substr(1), show(old_leaves, key) + ", as the interrupted run has it",
                   show(new_leaves, key)};
    }
  }
  return {};
}

}  // namespace

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
  auto text = read_text(file_);
  if (!text) return text.error();
  const std::size_t end = text->rfind('\n');
  const std::size_t whole = end == std::string::npos ? 0 : end + 1;
  if (whole < text->size()) {  // torn by a kill or a power cut
    std::error_code failed;
    fs::resize_file(file_, whole, failed);
    if (failed) return Error{file_.string(), "", "a file that can be cut", failed.message()};
    text->resize(whole);
  }
  std::size_t begin = 0;
  while (begin < text->size()) {
    const std::size_t line_end = text->find('\n', begin);
    lines_.push_back(text->substr(begin, line_end - begin));
    begin = line_end + 1;
  }
  const std::string first = file_.string() + ":1";
  if (lines_.empty()) return Error{first, "", "the plan of a run", "nothing"};
  const auto header = parse_json(lines_.front(), first);
  if (!header) return header.error();
  for (const char* key : {"plan", "stamp"}) {
    if (!header->is_object() || !header->contains(key)) return Error{first, key, "an object", "nothing"};
  }
  if (auto same = same_plan((*header)["plan"], plan_, file_.string()); !same) return same;
  stamp_ = (*header)["stamp"];
  lines_.erase(lines_.begin());
  started_ = true;
  return {};
}

std::string Progress::place(std::size_t line) const {
  return file_.string() + ":" + std::to_string(line + 2);
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
