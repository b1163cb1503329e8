#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/console.h"

namespace tenure::cli {
namespace {

using Commands = std::vector<CompletedCommand>;

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::string names_of(const Commands& commands) {
  std::vector<std::string> out;
  for (const CompletedCommand& command : commands) out.push_back(command.name);
  return joined(out);
}

std::string flags_of(const CompletedCommand& command) {
  std::vector<std::string> out;
  for (const CompletedFlag& flag : command.flags) out.push_back(flag.name);
  return joined(out);
}

// For text between single quotes, in all three shells.
std::string plain_text(std::string text) {
  for (const char c : {'\'', '[', ']', ':', '\\'}) std::replace(text.begin(), text.end(), c, ' ');
  return text;
}

std::string bash(const Commands& commands) {
  std::string out =
      "# bash completion for tenure; source it, or put it into "
      "/usr/share/bash-completion/completions/tenure\n"
      "_tenure() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i\n"
      "  COMPREPLY=()\n"
      "  for ((i = 2; i < COMP_CWORD; i++)); do\n"
      "    # after -- comes the command that is to be run\n"
      "    if [[ ${COMP_WORDS[i]} == -- ]]; then\n"
      "      if ((i == COMP_CWORD - 1)); then COMPREPLY=($(compgen -c -- \"$word\"))\n"
      "      else COMPREPLY=($(compgen -f -- \"$word\")); fi\n"
      "      return\n"
      "    fi\n"
      "  done\n"
      "  if ((COMP_CWORD == 1)); then\n";
  out += fmt::format("    COMPREPLY=($(compgen -W '{}' -- \"$word\")); return\n  fi\n",
                     names_of(commands));
  out += "  case \"${COMP_WORDS[1]} $before\" in\n";
  for (const CompletedCommand& command : commands)
    for (const CompletedFlag& flag : command.flags) {
      if (!flag.takes_value) continue;
      const std::string shorter =
          flag.short_name.empty() ? "" : fmt::format("|'{} {}'", command.name, flag.short_name);
      out += fmt::format("    '{} {}'{}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return;;\n",
                         command.name, flag.name, shorter, joined(flag.choices));
    }
  out += "  esac\n  case ${COMP_WORDS[1]} in\n";
  for (const CompletedCommand& command : commands)
    out += fmt::format("    {}) COMPREPLY=($(compgen -W '{} {}' -- \"$word\"));;\n", command.name,
                       flags_of(command), joined(command.arguments));
  return out + "  esac\n}\ncomplete -F _tenure tenure\n";
}

std::string zsh_flags(const CompletedCommand& command) {
  std::string out;
  for (const CompletedFlag& flag : command.flags) {
    const std::string value = !flag.takes_value ? ""
                              : flag.choices.empty()
                                  ? ":value:"
                                  : fmt::format(":value:({})", joined(flag.choices));
    for (const std::string& name : {flag.short_name, flag.name})
      if (!name.empty())
        out += fmt::format(" \\\n        '{}[{}]{}'", name, plain_text(flag.help), value);
  }
  if (!command.arguments.empty())
    out += fmt::format(" \\\n        ':argument:({})'", joined(command.arguments));
  if (command.name == "run") out += " \\\n        ':lock:' '*::command:_normal'";
  return out;
}

std::string zsh(const Commands& commands) {
  std::string out =
      "#compdef tenure\n"
      "# zsh completion for tenure; put it into a folder of $fpath as _tenure\n"
      "_tenure() {\n"
      "  if ((CURRENT == 2)); then\n"
      "    local -a commands=(\n";
  for (const CompletedCommand& command : commands)
    out += fmt::format("      '{}:{}'\n", command.name, plain_text(command.help));
  out +=
      "    )\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  local name=$words[2]\n"
      "  shift words\n"
      "  ((CURRENT--))\n"
      "  case $name in\n";
  for (const CompletedCommand& command : commands)
    out += fmt::format("    {})\n      _arguments{};;\n", command.name, zsh_flags(command));
  return out +
         "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _tenure ]]; then _tenure \"$@\"; else compdef _tenure tenure; "
         "fi\n";
}

std::string fish(const Commands& commands) {
  std::string out =
      "# fish completion for tenure; put it into ~/.config/fish/completions/tenure.fish\n"
      "complete -c tenure -f\n";
  for (const CompletedCommand& command : commands) {
    out += fmt::format("complete -c tenure -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                       plain_text(command.help));
    const std::string here = fmt::format("-n '__fish_seen_subcommand_from {}'", command.name);
    for (const CompletedFlag& flag : command.flags)
      out += fmt::format("complete -c tenure {} -l {}{}{}{} -d '{}'\n", here, flag.name.substr(2),
                         flag.short_name.empty() ? "" : " -s " + flag.short_name.substr(1),
                         flag.takes_value ? " -x" : "",
                         flag.choices.empty() ? "" : fmt::format(" -a '{}'", joined(flag.choices)),
                         plain_text(flag.help));
    if (!command.arguments.empty())
      out += fmt::format("complete -c tenure {} -a '{}'\n", here, joined(command.arguments));
  }
  return out;
}

}  // namespace

int completion(const std::string& shell, const std::vector<CompletedCommand>& commands) {
  const std::string script = shell == "bash"  ? bash(commands)
                             : shell == "zsh" ? zsh(commands)
                                              : fish(commands);
  return print(script) ? kExitOk : kExitFailure;
}

}  // namespace tenure::cli
