// Label selectors, and whether an API server takes them: of kube-apiserver 1.35, which is asked the
// same in tests/integration.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tenure::kube {

inline const std::vector<std::pair<std::string, bool>> kLabelSelectors = {
    {"team=a", true},
    {"team==a", true},
    {"team!=a", true},
    {" team = a , env = b ", true},
    {"team=", true},
    {"team=,env", true},
    {"team!=", true},
    {"team", true},
    {"!team", true},
    {"! team", true},
    {"env in (x,y)", true},
    {"env notin (x, y)", true},
    {"env in (x)", true},
    {"env in (x,)", true},
    {"env in (,)", true},
    {"env in ()", true},
    {"env in(x)", true},
    {"size>3", true},
    {"size<3,size>1", true},
    {"tenure.dev/team=a", true},
    {"kubernetes.io/metadata.name=default", true},
    {"in", true},
    {"in in (in)", true},
    {"notin=in", true},
    {"team=in", true},
    {"A_b.c=D-e", true},
    {"", true},
    {" ", true},
    {std::string(63, 'a') + "=" + std::string(63, 'b'), true},

    {"=a", false},
    {"team a", false},
    {"team=a b", false},
    {"team=a,", false},
    {",", false},
    {",team", false},
    {"team,,env", false},
    {"!", false},
    {"!team=a", false},
    {"!!team", false},
    {"env in x", false},
    {"env in (x", false},
    {"env in (x y)", false},
    {"env in", false},
    {"env in (x))", false},
    {"in (x)", false},
    {"size>a", false},
    {"size>", false},
    {"team=-a", false},
    {"team=a/b", false},
    {"-team=a", false},
    {"/team=a", false},
    {"Tenure.dev/team=a", false},
    {"a/b/c=d", false},
    {"team=\"a\"", false},
    {"team=a;env=b", false},
    {"team===a", false},
    {"team=>a", false},
    {"(team)", false},
    {"team=\xc3\xa4", false},
    {std::string(64, 'a'), false},
    {"team=" + std::string(64, 'a'), false},
};

}  // namespace tenure::kube
