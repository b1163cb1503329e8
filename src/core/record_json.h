// Parts of the record's text, for codecs that put it into something larger or under other keys.
#pragma once

#include <string>

#include "core/bounded_json.h"
#include "core/store_types.h"
#include "tenure/record.h"

namespace tenure {

/// The text of encode_record(), with another key for the epoch and times written in another way.
/// Composed, because a tree of values would cost more than all that is decided about a renewal.
std::string text_of_record(const LeaderElectionRecord& record, const char* epoch_key,
                           std::string (*text_of)(WallTime));

/// record.unknown_json; null when there are none.
Json unknown_keys_of(const LeaderElectionRecord& record);

/// A write id as the record has it: 32 hexadecimal digits.
std::string text_of_write_id(const WriteId& id);

/// As decode_record(), which has the words for what is wrong. `json` must be an object.
Observation observation_of_json(Json json, Version version);

}  // namespace tenure
