public import Failures
import Files

/// By whose rules a folder's tokenizer reads text.
public enum TokenizerConvention: Sendable, Equatable {
  /// OpenCLIP's `SimpleTokenizer`: CLIP's byte pairs, OpenAI's where the folder brings none.
  case openCLIP
  /// OpenCLIP's `HFTokenizer`: whatever kind the folder has, behind a cleaning.
  case openCLIPNamed(PromptCleaning, stripsSeparator: Bool)
  /// The tokenizer of transformers' CLIPModel.
  case clip
  /// The tokenizer of transformers' SiglipModel: SigLIP's unigrams, or Gemma's byte pairs.
  case siglip
  /// The tokenizer of transformers' Siglip2Model, which lowers the case whatever the folder says.
  case siglip2
}

/// Opens the tokenizer of a model folder: its kind is what its files hold.
/// - Throws: `.missingFiles` where there is none, `.unsupportedModel` for a kind that is not known, else what is wrong
///   with the files.
public func folderTokenizer(
  _ folder: String, _ convention: TokenizerConvention
) throws(TokenizerError) -> any TextTokenizer {
  func has(_ name: String) -> Bool { FileTree.exists(FileTree.join(folder, name)) }
  let cleaning: PromptCleaning
  switch convention {
  case .openCLIP: return try CLIPTokenizer.load(folder: folder, rules: .openCLIP, bringsVocabulary: true)
  case .clip: return try CLIPTokenizer.load(folder: folder, rules: .huggingFace(.none))
  case .openCLIPNamed(let named, _): cleaning = named
  case .siglip, .siglip2: cleaning = .none
  }
  var stripsSeparator = false
  if case .openCLIPNamed(_, let strips) = convention { stripsSeparator = strips }
  // SentencePiece's own file is read before what was made of it.
  if has(SigLIPTokenizer.modelName), convention != .siglip2, cleaning == .none || cleaning == .canonicalize {
    return try SigLIPTokenizer.load(folder: folder, rules: convention == .siglip ? .transformers : .openCLIP)
  }
  if has(TokenizerSettings.tokenizerName) {
    let document = try TokenizerSettings.document(folder)
    let model = try document.required("model")
    switch try model.optional("type")?.name() {
    case "Unigram":
      return try SigLIPTokenizer(
        document: document, folder: folder, rules: convention == .siglip ? .transformers : .openCLIP)
    case "WordPiece":
      return try BertTokenizer(
        document: document, folder: folder, cleaning: cleaning, stripsSeparator: stripsSeparator)
    case "BPE" where try model.optional("end_of_word_suffix")?.name() == ByteSymbols.endOfWord:
      return try CLIPTokenizer(document: document, folder: folder, rules: .huggingFace(cleaning))
    case "BPE" where try model.optional("byte_fallback")?.boolean() == true:
      return try GemmaTokenizer(
        document: document, folder: folder, cleaning: cleaning,
        className: convention == .siglip2 ? "Siglip2Tokenizer" : nil)
    case let other:
      throw TokenizerError(
        .unsupportedModel, file: document.file,
        expected: "CLIP's or Gemma's byte pairs, SigLIP's unigrams or BERT's word pieces",
        found: "“model.type” \(other.map(quotation) ?? "none")", remedy: TokenizerRule.giveEmbeddings)
    }
  }
  if has(BertTokenizer.vocabularyName), case .openCLIPNamed = convention {
    return try BertTokenizer(folder: folder, cleaning: cleaning, stripsSeparator: stripsSeparator)
  }
  if has(BytePairVocabulary.vocabularyName), case .openCLIPNamed = convention {
    return try CLIPTokenizer.load(folder: folder, rules: .huggingFace(cleaning))
  }
  var expected = [SigLIPTokenizer.modelName, TokenizerSettings.tokenizerName]
  if case .openCLIPNamed = convention { expected += [BertTokenizer.vocabularyName] }
  throw TokenizerError(
    .missingFiles, file: folder, expected: expected.joined(separator: " or "), found: "neither",
    remedy: "copy the model's tokenizer files there, or give \(Subject.textEmbeddings)")
}
