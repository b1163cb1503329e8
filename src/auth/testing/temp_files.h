// TempFiles: a folder for the files of one test, removed with the object.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace tenure {

class TempFiles {
 public:
  TempFiles() : folder_(testing::TempDir() + "tenure-files-XXXXXX") {
    if (mkdtemp(folder_.data()) == nullptr) std::abort();
  }
  ~TempFiles() { std::filesystem::remove_all(folder_); }
  TempFiles(const TempFiles&) = delete;
  TempFiles& operator=(const TempFiles&) = delete;

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }

  /// Makes the folders on the way. Readers see the old text or the new one, never a part.
  std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::string file = path(name);
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    {
      std::ofstream stream(file + ".new", std::ios::binary | std::ios::trunc);
      stream << text;
    }
    EXPECT_EQ(chmod((file + ".new").c_str(), mode), 0);
    std::filesystem::rename(file + ".new", file);
    return file;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream stream(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

 private:
  std::string folder_;
};

}  // namespace tenure
