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
    ("clip-left", .clip), ("gemma-left", .siglip), ("bert-left", .openCLIPNamed(.none, stripsSeparator: false)),
  ]

  @Test(arguments: conventions)
  func idsEqualTheLibrarys(name: String, convention: TokenizerConvention) throws {
    let tokenizer = try folderTokenizer("\(folder)/\(name)", convention)
    let different = try differences(name, tokenizer)
    #expect(different == [], "\(different.count)")
  }

  /// transformers' own cleaning and splitting, with the library and with our own segmentation
  /// (make_siglip_cases.py).
  @Test(arguments: ["siglip-bare", "siglip", "siglip-added", "siglip-left"], SigLIPTokenizerTests.layouts)
  func siglipsIDsEqualTransformers(name: String, layout: String) throws {
    var files = [layout: Array(try Data(contentsOf: URL(filePath: "\(fixtures)/tokenizer-unigram/\(layout)")))]
    for file in ["tokenizer_config.json", "added_tokens.json"] {
      files[file] = (try? Data(contentsOf: URL(filePath: "\(folder)/\(name)/\(file)"))).map { Array($0) }
    }
    let different = try withFolder(files) { try differences(name, folderTokenizer($0, .siglip)) }
    #expect(different == [], "\(different.count)")
  }

  /// What is cut is told from which end.
  @Test func aTextLosesTheEndThatTheFolderSays() throws {
    let left = try folderTokenizer("\(folder)/clip-left", .clip)
    let right = try folderTokenizer("\(folder)/clip", .clip)
    let (fromLeft, fromRight) = (
      try left.tokenize("a b c d e f", contextLength: 5), try right.tokenize("a b c d e f", contextLength: 5)
    )
    #expect(fromLeft.cut == 3 && fromLeft.cutsStart && fromRight.cut == 3 && !fromRight.cutsStart)
    let whole = try right.encode("a b c d e f", contextLength: 8)
    #expect(fromLeft.ids == [whole[0]] + whole[4...7] && fromRight.ids == whole[0...3] + [whole[7]])
    // OpenCLIP's own tokenizer does not read the setting.
    #expect(try !folderTokenizer("\(folder)/clip-left", .openCLIP).tokenize("a b", contextLength: 3).cutsStart)
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
