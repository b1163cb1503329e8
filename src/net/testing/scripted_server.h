// ScriptedServer: a TCP server on the test's own loop that answers with whatever bytes a test says,
// right or wrong.
//
//   ScriptedServer server(loop, [](ScriptedServer::Connection& c, const std::string& request) {
//     c.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
//   });
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>

#include "runtime/loop.h"
#include "runtime/unique_fd.h"

namespace tenure {

class ScriptedServer {
 public:
  class Connection {
   public:
    Connection(UniqueFd fd, int nth) : number(nth), fd_(std::move(fd)) {}
    void say(std::string_view bytes);
    void hang_up();  ///< FIN
    void reset();    ///< RST

    const int number;  ///< 1 for the first of this server

   private:
    friend class ScriptedServer;
    UniqueFd fd_;
    std::string unread_;
  };
  /// Called once for each whole request (head, and Content-Length bytes). Who begins with TLS is
  /// hung up on.
  using Handler = std::function<void(Connection&, const std::string& request)>;

  ScriptedServer(Loop& loop, Handler handler);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::string url() const;
  [[nodiscard]] int connections() const { return accepted_; }
  /// Refuses new connections from now on.
  void stop_listening();

 private:
  void accept_one();
  void read_some(std::list<Connection>::iterator connection);

  Loop& loop_;
  const Handler handler_;
  UniqueFd listening_;
  std::uint16_t port_ = 0;
  int accepted_ = 0;
  std::list<Connection> connections_;
};

}  // namespace tenure
