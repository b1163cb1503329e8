#include "net/curl_library.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <cstdarg>
#include <mutex>
#include <string>

namespace tenure {
namespace {

void* library = nullptr;     // written once, by load_curl()
std::string* why = nullptr;  // why not

void open_library() {
  library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    why = new std::string(reason != nullptr ? reason : "no reason given");
    return;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

/// The function of this name and type in the library.
template <class Function>
Function* loaded(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

template <class Answer, class First, class... Rest>
First first_argument(Answer (*)(First, Rest...));

}  // namespace

/// `CURLU*`, and `const CURLU*` in later versions.
using UrlHandle = decltype(first_argument(&curl_url_get));

Status load_curl() {
  static std::once_flag once;
  std::call_once(once, open_library);
  if (library != nullptr) return {};
  return failure(ErrorCode::unsupported, "cannot load libcurl, which speaks HTTP: " + *why,
                 "install it, on Debian with: apt-get install libcurl4");
}

}  // namespace tenure

// What the linker finds instead of libcurl: each looks its function up once and passes the call on.
// The options that take a value of any type come as one machine word on every 64-bit Linux.
static_assert(sizeof(void*) == sizeof(long) && sizeof(void*) == sizeof(curl_off_t));

#define TENURE_LOADED(name) static const auto call = tenure::loaded(&(name), #name)

extern "C" {

// Their last named parameter is an enumeration; libcurl has chosen so.
#pragma GCC diagnostic ignored "-Wvarargs"

CURLcode curl_global_init(long flags) {
  TENURE_LOADED(curl_global_init);
  return call(flags);
}
CURL* curl_easy_init() {
  TENURE_LOADED(curl_easy_init);
  return call();
}
void curl_easy_cleanup(CURL* easy) {
  TENURE_LOADED(curl_easy_cleanup);
  call(easy);
}
const char* curl_easy_strerror(CURLcode code) {
  TENURE_LOADED(curl_easy_strerror);
  return call(code);
}
CURLcode(curl_easy_setopt)(CURL* easy, CURLoption option, ...) {
  TENURE_LOADED(curl_easy_setopt);
  va_list values;
  va_start(values, option);
  void* const value = va_arg(values, void*);
  va_end(values);
  return call(easy, option, value);
}
CURLcode(curl_easy_getinfo)(CURL* easy, CURLINFO info, ...) {
  TENURE_LOADED(curl_easy_getinfo);
  va_list values;
  va_start(values, info);
  void* const value = va_arg(values, void*);
  va_end(values);
  return call(easy, info, value);
}
curl_slist* curl_slist_append(curl_slist* list, const char* text) {
  TENURE_LOADED(curl_slist_append);
  return call(list, text);
}
void curl_slist_free_all(curl_slist* list) {
  TENURE_LOADED(curl_slist_free_all);
  call(list);
}
CURLU* curl_url() {
  TENURE_LOADED(curl_url);
  return call();
}
void curl_url_cleanup(CURLU* url) {
  TENURE_LOADED(curl_url_cleanup);
  call(url);
}
CURLUcode curl_url_get(tenure::UrlHandle url, CURLUPart part, char** text, unsigned int flags) {
  TENURE_LOADED(curl_url_get);
  return call(url, part, text, flags);
}
CURLUcode curl_url_set(CURLU* url, CURLUPart part, const char* text, unsigned int flags) {
  TENURE_LOADED(curl_url_set);
  return call(url, part, text, flags);
}
void curl_free(void* memory) {
  TENURE_LOADED(curl_free);
  call(memory);
}
CURLM* curl_multi_init() {
  TENURE_LOADED(curl_multi_init);
  return call();
}
CURLMcode curl_multi_cleanup(CURLM* multi) {
  TENURE_LOADED(curl_multi_cleanup);
  return call(multi);
}
CURLMcode(curl_multi_setopt)(CURLM* multi, CURLMoption option, ...) {
  TENURE_LOADED(curl_multi_setopt);
  va_list values;
  va_start(values, option);
  void* const value = va_arg(values, void*);
  va_end(values);
  return call(multi, option, value);
}
CURLMcode curl_multi_add_handle(CURLM* multi, CURL* easy) {
  TENURE_LOADED(curl_multi_add_handle);
  return call(multi, easy);
}
CURLMcode curl_multi_remove_handle(CURLM* multi, CURL* easy) {
  TENURE_LOADED(curl_multi_remove_handle);
  return call(multi, easy);
}
CURLMcode curl_multi_socket_action(CURLM* multi, curl_socket_t fd, int events, int* running) {
  TENURE_LOADED(curl_multi_socket_action);
  return call(multi, fd, events, running);
}
CURLMsg* curl_multi_info_read(CURLM* multi, int* left) {
  TENURE_LOADED(curl_multi_info_read);
  return call(multi, left);
}

}  // extern "C"
