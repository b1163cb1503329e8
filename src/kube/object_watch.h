// ObjectWatch: a Reflector with its requests: follows one collection of an API server.
//
//   ObjectWatch leases(loop, client, "/apis/group/v1/things",
//                      {.changed = [&](const Object& object, bool is_new) { ... },
//                       .deleted = [&](const std::string& key) { ... },
//                       .synced = [&] { ... }});
//
// The text of an object is the server's own, but for metadata.managedFields, which is null. It is
// told and not kept.
//
// Thread safety: the loop's thread only. Loop and client outlive it. No function of the handler is
// called from inside the constructor, none after the destructor, and none may destroy the watch.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "kube/client.h"
#include "kube/reflector.h"
#include "runtime/clock.h"
#include "runtime/loop.h"

namespace tenure::kube {

class ObjectWatch {
 public:
  struct Handler {
    /// A new object, or a new state of one.
    std::function<void(const Object&)> changed;
    /// "namespace/name"
    std::function<void(const std::string& key)> deleted;
    /// All objects that there were at the beginning have been told.
    std::function<void()> synced;
    /// Why the server could not be asked, one line; the same trouble once.
    std::function<void(const std::string&)> problem;
  };
  /// `path`: of the collection, in one namespace or in all; perhaps with a selector as its query.
  ObjectWatch(Loop& loop, Client& client, std::string path, Handler handler);
  ~ObjectWatch();
  ObjectWatch(const ObjectWatch&) = delete;
  ObjectWatch& operator=(const ObjectWatch&) = delete;

  [[nodiscard]] bool is_synced() const { return reflector_.is_synced(); }
  /// Which state of an object was told last; null when it is not there. The key of one without a
  /// namespace begins with a slash.
  [[nodiscard]] const ObjectVersion* find(const std::string& key) const;

 private:
  void step(Reflector::Event event);
  void perform(const Reflector::Action& action);
  void list(const Reflector::Action& action);
  void on_list(Reflector::Op op, const Result<HttpResponse>& answer);
  void watch(const Reflector::Action& action);
  void on_data(Reflector::Op op, std::string_view bytes);
  void on_line(Reflector::Op op, std::string_view line);
  void on_watch_end(Reflector::Op op, const Result<HttpResponse>& answer);
  void trouble(const std::string& what);

  Loop& loop_;
  Client& client_;
  const std::string path_;
  const Handler handler_;
  SystemRandom random_;
  Reflector reflector_;
  Reflector::Op closed_ = 0;  // answers to it and to older ones do not count
  std::unique_ptr<HttpClient::Stream> stream_;
  std::string line_;  // that is not complete yet
  Loop::TimerId timer_ = 0;
  std::string told_;
  const std::shared_ptr<char> alive_;
};

}  // namespace tenure::kube
