// Label selectors as kubectl -l takes them, checked before a server is asked.
// kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
//
//   team=a   team==a   team!=a   env in (x,y)   env notin (x,y)   env   !env   size>3   size<3
//
// with commas between several, all of which must hold.
//
// Pure.
#pragma once

#include <string_view>

#include "tenure/result.h"

namespace tenure::kube {

/// Whether an API server would take it; "" selects everything. Otherwise invalid_argument, with the
/// place.
Status check_label_selector(std::string_view text);

}  // namespace tenure::kube
