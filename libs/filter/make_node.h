#ifndef ENGRAM_LIBS_FILTER_MAKE_NODE_H_
#define ENGRAM_LIBS_FILTER_MAKE_NODE_H_

#include <utility>
#include <vector>

#include "libs/filter/filter.h"

namespace engram::filter {

inline Node MakeNode(Operator op, Type type, std::vector<Node> operands) {
  Node node;
  node.op = op;
  node.type = type;
  node.operands = std::move(operands);
  return node;
}

inline Node MakeNode(Operator op, Type type, Node only) {
  std::vector<Node> operands;
  operands.push_back(std::move(only));
  return MakeNode(op, type, std::move(operands));
}

inline Node MakeNode(Operator op, Type type, Node first, Node second) {
  Node node = MakeNode(op, type, std::move(first));
  node.operands.push_back(std::move(second));
  return node;
}

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_MAKE_NODE_H_
