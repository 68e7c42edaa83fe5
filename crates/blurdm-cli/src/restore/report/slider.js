// SPDX-License-Identifier: MPL-2.0
for (const slider of document.querySelectorAll(".pair input")) {
  const move = () => slider.parentElement.style.setProperty("--at", `${slider.value}%`);
  slider.addEventListener("input", move);
  // A browser that remembers values of an earlier visit.
  move();
}
const actual = document.getElementById("actual");
const size = () => document.body.classList.toggle("actual", actual.checked);
actual.addEventListener("change", size);
size();
