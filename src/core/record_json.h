// LeaderElectionRecord as a value of the JSON library, for codecs that put it into something larger
// or under other keys; record_codec.h has its text.
#pragma once

#include "core/bounded_json.h"
#include "core/store_types.h"
#include "tenure/record.h"

namespace tenure {

/// The keys of encode_record(), in its order.
Json json_of_record(const LeaderElectionRecord& record);

/// As decode_record(), which has the words for what is wrong. `json` must be an object.
Observation observation_of_json(Json json, Version version);

}  // namespace tenure
