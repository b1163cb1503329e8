#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/json_text.h"
#include "tenure/record.h"

namespace tenure::cli {

std::string_view version_text() {
  return TENURE_VERSION;
}

int version(const VersionOptions& options) {
  const Json value = {
      {"version", TENURE_VERSION}, {"recordFormat", kRecordFormat}, {"compiler", __VERSION__}};
  const std::string text = is_machine_readable(options.output)
                               ? to_text(value, options.output)
                               : "tenure " + std::string(version_text()) + '\n';
  return print(text) ? kExitOk : kExitFailure;
}

}  // namespace tenure::cli
