// The store against a server that answers whatever a test says; tests/conformance has it against a
// whole emulator.
#include "store/gcs_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <optional>

#include "net/testing/scripted_server.h"
#include "store/testing/store_runner.h"

namespace tenure {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Kind = Observation::Kind;

/// Hands out tokens in turn, the next after each rejection.
class Tokens final : public CredentialSource {
 public:
  Tokens(Loop& loop, std::vector<std::string> tokens) : loop_(loop), tokens_(std::move(tokens)) {}
  void get(Done done) override {
    if (tokens_.empty()) return;  // never
    loop_.post([done = std::move(done), token = tokens_.front()] {
      if (token.empty()) return done(failure(ErrorCode::permission_denied, "no key file"));
      done(Credential{.authorization = "Bearer " + token});
    });
  }
  void rejected(const Credential& credential) override {
    if (tokens_.size() > 1 && credential.authorization == "Bearer " + tokens_.front())
      tokens_.erase(tokens_.begin());
  }

 private:
  Loop& loop_;
  std::vector<std::string> tokens_;
};

std::string http(int status, const std::string& body, const std::string& headers = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string object(const LeaderElectionRecord& record, const std::string& generation) {
  return http(200, gcs::encode(record), "X-Goog-Generation: " + generation + "\r\n");
}

class GcsStoreTest : public testing::Test, protected StoreRunner {
 protected:
  /// Answers each request with the next of these; the last one again and again.
  void answer_with(std::deque<std::string> answers) { answers_ = std::move(answers); }

  std::unique_ptr<Store> open(std::vector<std::string> tokens = {"t1"}) {
    return GcsStore::create(loop(), HttpClient::create(loop(), {}).value(),
                            std::make_unique<Tokens>(loop(), std::move(tokens)),
                            {server_.url(), "locks", "app/"}, "gs://locks/app");
  }
  [[nodiscard]] std::vector<std::string> first_lines() const {
    std::vector<std::string> lines;
    for (const std::string& request : requests_)
      lines.push_back(request.substr(0, request.find(" HTTP/1.1")));
    return lines;
  }
  static Instant hasty() { return boot_now() + std::chrono::milliseconds(100); }

  std::vector<std::string> requests_;
  std::deque<std::string> answers_;
  ScriptedServer server_{loop(), [this](ScriptedServer::Connection& c, const std::string& request) {
                           requests_.push_back(request);
                           if (answers_.empty()) return;
                           c.say(answers_.front());
                           if (answers_.size() > 1) answers_.pop_front();
                         }};
};

TEST_F(GcsStoreTest, SaysWhatGoogleCloudStorageIs) {
  const auto store = open();
  EXPECT_EQ(store->describe(), "gs://locks/app");
  EXPECT_TRUE(store->traits().linearizable);
  EXPECT_TRUE(store->traits().server_time);
  EXPECT_TRUE(store->traits().production);
  EXPECT_FALSE(store->traits().watch);
  EXPECT_EQ(store->traits().min_write_interval, std::chrono::seconds(1));
}

TEST_F(GcsStoreTest, ASecondReadAsksOnlyForNews) {
  const auto record = record_of("napoleon", 3);
  const auto later = record_of("napoleon", 4);
  answer_with({object(record, "41"), http(304, "", "Date: Fri, 02 Jan 2026 03:04:07 GMT\r\n"),
               object(later, "42")});
  const auto store = open();
  EXPECT_EQ(read(*store, "job").observation.record, record);
  const ReadResult unchanged = read(*store, "job");
  EXPECT_EQ(unchanged.outcome, ReadOutcome::ok);
  EXPECT_EQ(unchanged.observation.version, "41");
  EXPECT_EQ(unchanged.observation.record, record);
  EXPECT_TRUE(unchanged.server_time);
  EXPECT_EQ(read(*store, "job").observation.record, later);
  EXPECT_THAT(first_lines(),
              ElementsAre("GET /storage/v1/b/locks/o/app%2Fjob?alt=media",
                          "GET /storage/v1/b/locks/o/app%2Fjob?alt=media&ifGenerationNotMatch=41",
                          "GET /storage/v1/b/locks/o/app%2Fjob?alt=media&ifGenerationNotMatch=41"));
  EXPECT_THAT(requests_[0], HasSubstr("Accept-Encoding: identity\r\n"));
}

TEST_F(GcsStoreTest, AnObjectThatVanishedIsAbsentAndForgotten) {
  answer_with({object(record_of("napoleon", 3), "41"), http(404, "No such object: locks/app/job"),
               http(404, "No such object: locks/app/job")});
  const auto store = open();
  read(*store, "job");
  EXPECT_EQ(read(*store, "job").observation.kind, Kind::absent);
  EXPECT_EQ(read(*store, "job").observation.kind, Kind::absent);
  EXPECT_THAT(first_lines().back(), Not(HasSubstr("ifGenerationNotMatch")));
}

TEST_F(GcsStoreTest, ARefusedTokenIsReplacedOnce) {
  const auto record = record_of("napoleon", 1);
  answer_with({http(401, ""), http(200, R"({"generation":"7"})")});
  const auto store = open({"old", "new"});
  const WriteResult result = write(*store, "job", record, "");
  EXPECT_EQ(result.outcome, WriteOutcome::applied);
  EXPECT_EQ(result.version, "7");
  ASSERT_EQ(requests_.size(), 2U);
  EXPECT_THAT(requests_[0], HasSubstr("Authorization: Bearer old\r\n"));
  EXPECT_THAT(requests_[1], HasSubstr("Authorization: Bearer new\r\n"));
}

TEST_F(GcsStoreTest, ATokenThatIsRefusedAgainIsTheEnd) {
  answer_with({http(401, R"({"error":{"message":"Invalid Credentials"}})")});
  const auto store = open({"old", "secret-token"});
  const WriteResult result = write(*store, "job", record_of("napoleon", 1), "");
  EXPECT_EQ(result.outcome, WriteOutcome::rejected);
  EXPECT_THAT(result.detail, HasSubstr("Invalid Credentials"));
  EXPECT_THAT(result.detail, Not(HasSubstr("secret")));
  EXPECT_EQ(requests_.size(), 2U);
  EXPECT_EQ(read(*store, "job").outcome, ReadOutcome::rejected);
}

TEST_F(GcsStoreTest, WithoutCredentialsNothingIsSent) {
  const auto refused = open({""});
  const WriteResult result = write(*refused, "job", record_of("napoleon", 1), "");
  EXPECT_EQ(result.outcome, WriteOutcome::rejected);
  EXPECT_EQ(result.detail, "no key file");
  EXPECT_EQ(read(*refused, "job").outcome, ReadOutcome::rejected);

  const auto silent = open({});
  const WriteResult late = write(*silent, "job", record_of("napoleon", 1), "", true, hasty());
  EXPECT_EQ(late.outcome, WriteOutcome::unknown);
  EXPECT_THAT(late.detail, HasSubstr("credentials did not come in time"));
  EXPECT_TRUE(requests_.empty());
}

TEST_F(GcsStoreTest, NothingElseIsRepeated) {
  const auto store = open();
  const auto record = record_of("napoleon", 1);
  const std::pair<int, WriteOutcome> table[] = {
      {408, WriteOutcome::unknown},  {412, WriteOutcome::conflict}, {429, WriteOutcome::unknown},
      {500, WriteOutcome::unknown},  {503, WriteOutcome::unknown},  {403, WriteOutcome::rejected},
      {404, WriteOutcome::rejected}, {400, WriteOutcome::rejected}};
  for (const auto& [status, outcome] : table) {
    requests_.clear();
    answer_with({http(status, "", "Retry-After: 3\r\n")});
    const WriteResult result = write(*store, "job", record, "41");
    EXPECT_EQ(result.outcome, outcome) << status;
    EXPECT_EQ(result.retry_after, std::chrono::seconds(status == 429 ? 3 : 0)) << status;
    EXPECT_EQ(requests_.size(), 1U) << status;
  }
}

TEST_F(GcsStoreTest, AWriteWithoutAnAnswerIsUnknown) {
  const auto store = open();
  const auto record = record_of("napoleon", 1);
  EXPECT_EQ(write(*store, "job", record, "", true, hasty()).outcome, WriteOutcome::unknown);
  for (const char* cut : {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"generation\":\"4\"}",
                          "HTTP/1.1 200 OK\r\nContent-Le"}) {
    answer_with({cut});
    EXPECT_EQ(write(*store, "job", record, "", true, hasty()).outcome, WriteOutcome::unknown);
    EXPECT_EQ(read(*store, "job", hasty()).outcome, ReadOutcome::unknown);
  }
}

TEST_F(GcsStoreTest, AVersionThatNoObjectHasIsAConflictWithoutARequest) {
  const auto store = open();
  for (const char* version : {"0", "1&ifGenerationMatch=0", "no number", "-1"})
    EXPECT_EQ(write(*store, "job", record_of("napoleon", 1), version).outcome,
              WriteOutcome::conflict);
  EXPECT_TRUE(requests_.empty());
}

TEST_F(GcsStoreTest, AHugeObjectIsUnreadableAndHasAVersion) {
  answer_with({http(200, std::string(70'000, 'x'), "X-Goog-Generation: 41\r\n"),
               http(200, R"({"generation":"41","size":"70000"})")});
  const auto store = open();
  const ReadResult result = read(*store, "job");
  EXPECT_EQ(result.outcome, ReadOutcome::ok) << result.detail;
  EXPECT_EQ(result.observation.kind, Kind::unreadable);
  EXPECT_EQ(result.observation.version, "41");
  EXPECT_THAT(result.observation.problem, HasSubstr("64 KiB"));
}

TEST_F(GcsStoreTest, ANameThatNoObjectCanHaveIsRejected) {
  const auto store = open();
  EXPECT_EQ(read(*store, "a\nb").outcome, ReadOutcome::rejected);
  EXPECT_EQ(write(*store, "", record_of("napoleon", 1), "").outcome, WriteOutcome::rejected);
  EXPECT_TRUE(requests_.empty());
}

// -------------------------------------------------------------------------------------------------
// list

/// A bucket of this many objects, in pages of 100.
class GcsListTest : public testing::Test, protected StoreRunner {
 protected:
  static constexpr int kPage = 100;

  std::string answer_to(const std::string& request) {
    if (request.find("?alt=media") == std::string::npos) return page(request);
    most_at_once_ = std::max(most_at_once_, ++reading_);
    return object(record_of("napoleon", 3), "41");
  }
  [[nodiscard]] std::string page(const std::string& request) const {
    const std::size_t token = request.find("pageToken=");
    const int from = token == std::string::npos ? 0 : std::stoi(request.substr(token + 10));
    std::string items;
    for (int i = from; i < std::min(from + kPage, objects_); ++i)
      items += (i == from ? "" : ",") +
               (R"({"name":"app/job-)" + std::to_string(1000 + i) + R"(","generation":"1"})");
    const bool more = from + kPage < objects_;
    return http(
        200, R"({"items":[)" + items + "]" +
                 (more ? R"(,"nextPageToken":")" + std::to_string(from + kPage) + "\"" : "") + "}");
  }

  int objects_ = 0;
  int reading_ = 0;
  int most_at_once_ = 0;
  std::optional<int> failing_status_;
  ScriptedServer server_{loop(), [this](ScriptedServer::Connection& c, const std::string& request) {
                           if (failing_status_ && request.find("alt=media") != std::string::npos)
                             return c.say(http(*failing_status_, "out of order"));
                           const std::string answer = answer_to(request);
                           // A while later, so that the reads pile up.
                           loop().at(boot_now() + std::chrono::milliseconds(2), [this, &c, answer] {
                             if (answer.find("X-Goog-Generation") != std::string::npos) --reading_;
                             c.say(answer);
                           });
                         }};
  const std::unique_ptr<Store> store_ =
      GcsStore::create(loop(), HttpClient::create(loop(), {}).value(), no_credentials_for_test(),
                       {server_.url(), "locks", "app/"}, "gs://locks/app");

 private:
  std::unique_ptr<CredentialSource> no_credentials_for_test() {
    return std::make_unique<Tokens>(loop(), std::vector<std::string>{"t"});
  }
};

TEST_F(GcsListTest, ShowsEveryPageAndReadsAFewAtOnce) {
  objects_ = 250;
  const auto locks = list(*store_);
  ASSERT_TRUE(locks) << locks.error().to_string();
  ASSERT_EQ(locks->size(), 250U);
  EXPECT_EQ(locks->front().name, "job-1000");
  EXPECT_EQ(locks->back().name, "job-1249");
  EXPECT_EQ(locks->back().observation.record.holder_identity, "napoleon");
  EXPECT_LE(most_at_once_, 8);
  EXPECT_GT(most_at_once_, 1);
}

TEST_F(GcsListTest, ABucketWithoutLocksIsEmpty) {
  const auto locks = list(*store_);
  ASSERT_TRUE(locks) << locks.error().to_string();
  EXPECT_TRUE(locks->empty());
}

TEST_F(GcsListTest, ABucketFullOfOtherThingsIsRefused) {
  objects_ = 10'001;
  const auto locks = list(*store_);
  ASSERT_FALSE(locks);
  EXPECT_THAT(locks.error().to_string(), HasSubstr("below a prefix of their own"));
  EXPECT_EQ(most_at_once_, 0);
}

TEST_F(GcsListTest, OneFailureIsTheAnswerOnce) {
  objects_ = 50;
  failing_status_ = 503;
  int answers = 0;
  store_->list(soon(), [&](const Result<std::vector<ListedLock>>& result) {
    ++answers;
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().to_string(), HasSubstr("out of order"));
  });
  run_until([&] { return answers > 0; }, "the answer");
  run_for(std::chrono::milliseconds(20));
  EXPECT_EQ(answers, 1);
}

}  // namespace
}  // namespace tenure
