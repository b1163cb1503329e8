#include "kube/cluster_credentials.h"

#include <fmt/format.h>

#include <utility>

#include "auth/cached_source.h"
#include "auth/small_file.h"
#include "base/base64.h"
#include "base/printable.h"
#include "kube/exec_credential.h"
#include "kube/pem_source.h"
#include "kube/rotating_token.h"
#include "runtime/captured_process.h"

namespace tenure::kube {
namespace {

constexpr Duration kPluginTimeLimit = std::chrono::seconds(60);
constexpr std::size_t kPluginOutput = 1U << 20U;
constexpr std::size_t kMaxReason = 300;

/// The certificate of a config, read again from its files when the last reading is 50 seconds old
/// or was rejected. Whoever renews them writes one file after the other, so that a new pair counts
/// when it is still the same a second later; until then, and while the files cannot be read, the
/// old one goes on.
class Certificate {
 public:
  explicit Certificate(const ClusterConfig& config)
      : certificate_file_(config.client_certificate_file),
        key_file_(config.client_key_file),
        current_{config.client_certificate_pem, config.client_key_pem},
        seen_(current_) {}

  void put_into(Credential& credential, Instant now) {
    if (!certificate_file_.empty() && now >= next_reading_) read(now);
    credential.client_certificate_pem = current_.certificate;
    credential.client_key_pem = current_.key;
  }
  void rejected(const Credential& credential) {
    if (credential.client_certificate_pem == current_.certificate) next_reading_ = Instant();
  }

 private:
  struct Pair {
    std::string certificate;
    std::string key;
    bool operator==(const Pair&) const = default;
  };
  void read(Instant now) {
    next_reading_ = now + kStableAfter;
    auto certificate = read_small_file(certificate_file_, kMaxPemBytes, "the certificate");
    auto key = read_small_file(key_file_, kMaxPemBytes, "the certificate's key");
    if (!certificate || !key || !check_pem(certificate->text, "") || !check_pem(key->text, ""))
      return;
    Pair pair{std::move(certificate->text), std::move(key->text)};
    if (pair == seen_) {
      current_ = std::move(pair);
      next_reading_ = now + kRereadAfter;
    } else {
      seen_ = std::move(pair);
    }
  }

  static constexpr Duration kRereadAfter = std::chrono::seconds(50);
  static constexpr Duration kStableAfter = std::chrono::seconds(1);

  const std::string certificate_file_;
  const std::string key_file_;
  Pair current_;
  Pair seen_;  // the last reading
  Instant next_reading_;
};

/// A token, user name and password, or nothing, which never change; and a certificate, if any.
class FixedSource final : public PostingSource {
 public:
  FixedSource(Loop& loop, const ClusterConfig& config, std::string authorization)
      : PostingSource(loop), certificate_(config), authorization_(std::move(authorization)) {}
  void get(Done done) override {
    Credential credential;
    credential.authorization = authorization_;
    certificate_.put_into(credential, loop_.now().mono);
    deliver(std::move(done), std::move(credential));
  }
  void rejected(const Credential& credential) override { certificate_.rejected(credential); }

 private:
  Certificate certificate_;
  const std::string authorization_;
};

class FileSource final : public PostingSource {
 public:
  FileSource(Loop& loop, const ClusterConfig& config)
      : PostingSource(loop),
        token_([path = config.token_file] { return read_token_file(path); }, config.token),
        certificate_(config) {}

  /// Reads the file.
  Status begin() {
    const auto token = token_.get(loop_.now().mono);
    return token ? Status() : tl::unexpected(token.error());
  }
  void get(Done done) override {
    deliver(std::move(done), token_.get(loop_.now().mono).map([this](const std::string& token) {
      Credential credential;
      credential.authorization = kPrefix + token;
      certificate_.put_into(credential, loop_.now().mono);
      return credential;
    }));
  }
  void rejected(const Credential& credential) override {
    if (credential.authorization.starts_with(kPrefix))
      token_.rejected(credential.authorization.substr(kPrefix.size()));
    certificate_.rejected(credential);
  }

 private:
  static inline const std::string kPrefix = "Bearer ";

  RotatingToken token_;
  Certificate certificate_;
};

class ExecSource final : public CachedSource {
 public:
  ExecSource(Loop& loop, const ClusterConfig& config)
      : CachedSource(loop), plugin_(*config.exec), info_(exec_info(config)) {}

 private:
  void fetch() override;
  void on_end(const CapturedProcess::Outcome& outcome);
  [[nodiscard]] Result<ExecAnswer> read(const CapturedProcess::Outcome& outcome) const;
  [[nodiscard]] Error start_failure(Error error) const;

  const ExecPlugin plugin_;
  const std::string info_;
  std::unique_ptr<CapturedProcess> process_;
};

void ExecSource::fetch() {
  CapturedProcess::Options options;
  options.argv = {plugin_.command};
  options.argv.insert(options.argv.end(), plugin_.arguments.begin(), plugin_.arguments.end());
  options.environment = plugin_.environment;
  options.environment.emplace_back("KUBERNETES_EXEC_INFO", info_);
  options.time_limit = kPluginTimeLimit;
  options.output_limit = kPluginOutput;
  auto started = CapturedProcess::start(
      loop_, options, [this](const CapturedProcess::Outcome& outcome) { on_end(outcome); });
  if (!started) return failed(start_failure(started.error()));
  process_ = std::move(*started);
}

void ExecSource::on_end(const CapturedProcess::Outcome& outcome) {
  process_.reset();
  auto answer = read(outcome);
  if (!answer) return failed(answer.error());
  fetched(std::move(answer->credential), answer->expires);
}

Result<ExecAnswer> ExecSource::read(const CapturedProcess::Outcome& outcome) const {
  if (outcome.succeeded()) return parse_exec_credential(outcome.output, plugin_);
  std::string why = fmt::format("exited with code {}", outcome.exit.code);
  if (outcome.exit.signal != 0) why = fmt::format("was ended by signal {}", outcome.exit.signal);
  if (outcome.output_too_large) why = "printed more than a mebibyte";
  if (outcome.exit.killed_at_deadline) why = "did not end within a minute";
  const std::string reason = last_printable_line(outcome.error_tail, kMaxReason);
  return failure(ErrorCode::unavailable,
                 fmt::format("the exec plugin \"{}\" {}{}{}", printable(plugin_.command, 200), why,
                             reason.empty() ? "" : ": ", reason),
                 "run the plugin by hand; perhaps it wants you to log in");
}

Error ExecSource::start_failure(Error error) const {
  error.message = "the kubeconfig's exec plugin does not start: " + error.message;
  if (!plugin_.install_hint.empty()) error.remedy = plugin_.install_hint;
  return error;
}

}  // namespace

Result<std::unique_ptr<CredentialSource>> cluster_credentials(Loop& loop,
                                                              const ClusterConfig& config) {
  if (config.exec) return std::make_unique<ExecSource>(loop, config);
  if (!config.token_file.empty()) {
    auto source = std::make_unique<FileSource>(loop, config);
    if (Status begun = source->begin(); !begun) return tl::unexpected(begun.error());
    return source;
  }
  std::string authorization;
  if (!config.token.empty()) {
    authorization = "Bearer " + config.token;
  } else if (!config.username.empty()) {
    authorization = "Basic " + base64_encoded(config.username + ":" + config.password);
  }
  return std::make_unique<FixedSource>(loop, config, std::move(authorization));
}

}  // namespace tenure::kube
