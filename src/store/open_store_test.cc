#include "store/open_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "net/testing/scripted_server.h"
#include "store/testing/store_runner.h"
#include "store/testing/temp_folder.h"

namespace tenure {
namespace {

using testing::HasSubstr;
using testing::Not;
namespace fs = std::filesystem;

class OpenStoreTest : public testing::Test, protected StoreRunner {
 protected:
  Result<std::unique_ptr<Store>> open(const std::string& url, OpenMode mode = OpenMode::create) {
    const auto parsed = parse_store_url(url, {"", folder_.path() + "/home"});
    return open_store(loop(), parsed.value(), mode);
  }
  TempFolder folder_;
};

TEST_F(OpenStoreTest, OpensWhatTheUrlNames) {
  EXPECT_EQ(open("memory:").value()->describe(), "memory:");
  const std::string url = "sqlite://" + folder_.path() + "/locks.db";
  EXPECT_EQ(open(url).value()->describe(), url);
}

TEST_F(OpenStoreTest, TheStateFolderIsMadeForTheOwnerAlone) {
  ASSERT_TRUE(open("sqlite:"));
  const fs::path state = folder_.path() + "/home/.local/state/tenure";
  EXPECT_TRUE(fs::exists(state / "locks.db"));
  EXPECT_EQ(fs::status(state).permissions(), fs::perms::owner_all);
  EXPECT_TRUE(open("sqlite:")) << "a second time, with everything in place";
}

TEST_F(OpenStoreTest, AnOnlookerMakesNoStateFolder) {
  const auto store = open("sqlite:", OpenMode::existing);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::not_found);
  EXPECT_FALSE(fs::exists(folder_.path() + "/home"));
}

TEST_F(OpenStoreTest, AnotherFolderIsNotMade) {
  EXPECT_FALSE(open("sqlite://" + folder_.path() + "/new/locks.db"));
  EXPECT_FALSE(fs::exists(folder_.path() + "/new"));
}

TEST_F(OpenStoreTest, AStateFolderThatCannotBeMadeIsNamed) {
  std::ofstream(folder_.path() + "/home") << "a file";
  const auto store = open("sqlite:");
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().to_string(), HasSubstr("/home/.local: Not a directory"));
}

class OpenGcsTest : public OpenStoreTest {
 protected:
  ~OpenGcsTest() override { unsetenv("STORAGE_EMULATOR_HOST"); }
  static void emulator(const std::string& host) {
    setenv("STORAGE_EMULATOR_HOST", host.c_str(), 1);
  }
  /// One that counts, and says that there is no such object.
  std::vector<std::string> requests_;
  ScriptedServer server_{loop(), [this](ScriptedServer::Connection& c, const std::string& request) {
                           requests_.push_back(request);
                           c.say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
                         }};
};

TEST_F(OpenGcsTest, AnEmulatorIsAskedWithoutCredentials) {
  const std::string address = server_.url().substr(std::string("http://").size());
  for (const std::string& host : {address, "http://" + address, "http://" + address + "/"}) {
    emulator(host);
    const auto store = open("gs://locks/app");
    ASSERT_TRUE(store) << store.error().to_string();
    EXPECT_EQ((*store)->describe(), "gs://locks/app");
    EXPECT_EQ(read(**store, "job").observation.kind, Observation::Kind::absent);
  }
  ASSERT_EQ(requests_.size(), 3U);
  for (const std::string& request : requests_) {
    EXPECT_THAT(request, HasSubstr("/b/locks/o/app%2Fjob"));
    EXPECT_THAT(request, Not(HasSubstr("Authorization")));
    EXPECT_THAT(request, HasSubstr("User-Agent: tenure/"));
  }
}

TEST_F(OpenGcsTest, TheEndpointOfTheUrlGoesFirst) {
  emulator("127.0.0.1:1");
  const auto store = open("gs://locks?endpoint=" + server_.url());
  ASSERT_TRUE(store) << store.error().to_string();
  EXPECT_EQ(read(**store, "job").outcome, ReadOutcome::ok);
  EXPECT_EQ((*store)->describe(), "gs://locks");
}

TEST_F(OpenGcsTest, AnAddressThatIsNoneIsRefused) {
  for (const char* host : {"ftp://host", "host/path", "a b", "http://"}) {
    emulator(host);
    const auto store = open("gs://locks");
    ASSERT_FALSE(store) << host;
    EXPECT_THAT(store.error().to_string(), HasSubstr("STORAGE_EMULATOR_HOST is not an address"));
  }
}

}  // namespace
}  // namespace tenure
