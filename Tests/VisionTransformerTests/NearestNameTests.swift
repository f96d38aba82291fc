import Testing

@testable import VisionTransformer

struct NearestNameTests {
  @Test func nearestNamesAreFound() {
    #expect(nearestName(to: "visual.proj", among: ["visual.prob", "text_projection", "proj"]) == "visual.prob")
    #expect(nearestName(to: "a", among: []) == nil)
    #expect(nearestName(to: "", among: ["ab", "c"]) == "c")
  }
}
