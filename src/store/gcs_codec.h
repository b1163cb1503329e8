// A lock record as an object in Google Cloud Storage: which requests of the JSON API read, write
// and list it, and what their answers mean.
// https://cloud.google.com/storage/docs/json_api/v1/objects
//
// The record is client-go's JSON (core/record_codec.h), except that the epoch is called
// leaseTransitions and times have nine digits: so it is with the controllers of
// gke-labs/multicluster-leader-election, which know holderIdentity, renewTime and leaseTransitions
// only. Theirs is a record without a write id; a lease duration that it does not state is 0.
//
// A version is the object's generation, 1 to 19 digits. Generations are unique but not ordered
// (https://cloud.google.com/storage/docs/metadata#generation-number), so they are no epochs.
//
// A time-out, a 5xx, a 408 and also a 429 leave open whether a write was done: under contention the
// servers answer 429 where 412 would be true. https://cloud.google.com/storage/docs/retry-strategy
//
// Pure; no function throws.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/store_types.h"
#include "net/http_client.h"
#include "tenure/record.h"
#include "tenure/result.h"

namespace tenure::gcs {

/// Where the locks are. The object of a lock is called prefix + lock.
struct Place {
  std::string endpoint;  ///< "https://storage.googleapis.com": without a slash at the end
  std::string bucket;
  std::string prefix;  ///< empty, or with its '/' at the end
};

/// What Google Cloud Storage takes as an object's name, beside check_lock_name(): up to 1024 bytes
/// with the prefix, so that a controller's "leases/NAMESPACE/NAME" has room.
/// https://cloud.google.com/storage/docs/objects#naming
Status check_object_name(const Place& place, std::string_view lock);

/// Whether an object could have it; no other can be the current one.
bool may_be_generation(std::string_view version);

// -------------------------------------------------------------------------------------------------
// requests; the caller adds deadline and credentials

/// `known` is the version that the caller has, or empty: if it is still the current one, the answer
/// is 304 without a body.
HttpRequest read_request(const Place& place, std::string_view lock, const Version& known);
/// Which version an object has and how large it is: for one whose content is too large to read.
HttpRequest describe_request(const Place& place, std::string_view lock);
/// `expected` may_be_generation(), or is empty: there must be no object.
HttpRequest write_request(const Place& place, std::string_view lock,
                          const LeaderElectionRecord& record, const Version& expected);
/// One page of the objects below the prefix. `page_token` is empty for the first.
HttpRequest list_request(const Place& place, const std::string& page_token);

// -------------------------------------------------------------------------------------------------
// answers

/// To read_request with this `known`; nothing for "still the version that is known".
std::optional<ReadResult> read_result(const HttpResponse& answer, const Version& known,
                                      const Place& place);
/// When an object was written, by the server's clock.
struct Written {
  WallTime earliest;
  WallTime latest;
  bool operator==(const Written&) const = default;
};
std::optional<Written> written_at(const HttpResponse& answer);
/// To describe_request.
ReadResult described_result(const HttpResponse& answer, const Place& place);
WriteResult write_result(const HttpResponse& answer, const Place& place);

/// The name of a lock, and its observation where the content need not be read.
struct ListedObject {
  std::string lock;
  std::optional<Observation> observation;
};
struct Page {
  std::vector<ListedObject> objects;
  std::string next;  ///< the token for the next page; empty: this was the last
};
Result<Page> list_result(const HttpResponse& answer, const Place& place);

// -------------------------------------------------------------------------------------------------
// the object's content

std::string encode(const LeaderElectionRecord& record);
/// record, unreadable or too_new.
Observation decode(std::string_view bytes, Version version);

}  // namespace tenure::gcs
