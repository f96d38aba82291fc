import FoundationEssentials
import Testing

@testable import Tokenizers

private let folder = fixtures + "/tokenizer-libraries"

private struct Case: Decodable {
  let text: String
  let ids: [Int32]
}

private func cases(_ name: String) throws -> [Case] {
  try JSONDecoder().decode([Case].self, from: Data(contentsOf: URL(filePath: "\(folder)/\(name)/cases.json")))
}

/// Texts of which a tokenizer makes other ids than its library.
private func differences(_ name: String, _ tokenizer: any TextTokenizer) throws -> [String] {
  let cases = try cases(name)
  #expect(cases.count > 180)
  var texts: [String] = []
  for one in cases {
    let ids = try tokenizer.encode(one.text, contextLength: one.ids.count)
    if ids != one.ids { texts.append("\(one.text.debugDescription)\n  \(ids)\n  \(one.ids)") }
  }
  return texts
}

/// The folders are what the libraries wrote and the ids what they gave (make_cases.py).
@Suite struct LibraryCasesTests {
  static let conventions: [(String, TokenizerConvention)] = [
    ("clip", .clip), ("clip-added", .clip), ("clip-added-old", .clip),
    ("clip-named", .openCLIPNamed(.whitespace, stripsSeparator: false)),
    ("gemma", .siglip), ("gemma-added", .siglip), ("gemma-lower", .siglip), ("gemma-lower-added", .siglip),
    ("gemma-plain", .siglip), ("gemma-openclip", .openCLIPNamed(.canonicalize, stripsSeparator: false)),
    ("bert", .openCLIPNamed(.none, stripsSeparator: false)),
    ("bert-added", .openCLIPNamed(.none, stripsSeparator: false)),
    ("bert-cased", .openCLIPNamed(.none, stripsSeparator: false)),
    ("bert-accents", .openCLIPNamed(.none, stripsSeparator: false)),
    ("bert-openclip", .openCLIPNamed(.whitespace, stripsSeparator: true)),
  ]

  @Test(arguments: conventions)
  func idsEqualTheLibrarys(name: String, convention: TokenizerConvention) throws {
    let tokenizer = try folderTokenizer("\(folder)/\(name)", convention)
    let different = try differences(name, tokenizer)
    #expect(different == [], "\(different.count)")
  }

  /// Siglip2Model's folder may name Gemma's class, and is read in lower case all the same.
  @Test func siglip2LowersTheCase() throws {
    #expect(try differences("gemma-lower", folderTokenizer("\(folder)/gemma", .siglip2)) == [])
  }

  @Test func whatIsCompiledInEqualsOpenCLIPs() throws {
    let empty = try withFolder([:]) { try folderTokenizer($0, .openCLIP) }
    #expect(try differences("openai", empty) == [])
    #expect(empty.idCount == 49_408)
    let vocabulary = try BytePairVocabulary.openAI()
    #expect(vocabulary.startID == 49_406 && vocabulary.endID == 49_407)
  }
}
