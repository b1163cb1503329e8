// What the sidecar's page has besides its text: the style and the script between its tags. A change
// of either changes its hash in kPageSecurityPolicy; the test of the policy prints the new one.
#pragma once

namespace tenure {

extern const char* const kPageStyle;
extern const char* const kPageScript;

}  // namespace tenure
