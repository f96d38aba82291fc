// swift-format-ignore-file: AlwaysUseLowerCamelCase
// The functions have the names of the header.

public import CLeGradHeader
import LeGrad

/// What is looked for, with what C reads of it in place.
final class QueriesObject: Sendable {
  let embeddings: TextEmbeddings
  let names: [LastingText]

  init(_ embeddings: TextEmbeddings) {
    self.embeddings = embeddings
    names = embeddings.prompts.map { LastingText($0) }
  }
}

private func refuseNone(_ count: Int, _ name: String) throws(Failure) {
  try refuseNegative(count, name)
  guard count == 0 else { return }
  throw Failure(LEGRAD_USAGE, "\(name): expected at least one, found none")
}

@c @implementation
public func legrad_encode_prompts(
  _ explainer: OpaquePointer?, _ prompts: UnsafePointer<legrad_text>?, _ count: Int,
  _ queries: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe place(queries, "queries")
    let explainer = try unsafe Held<ExplainerObject>.usable(explainer).explainer
    try refuseNone(count, "prompts")
    let texts = try unsafe readTexts(prompts, count, "prompts")
    let encoded: TextEmbeddings
    do throws(LeGradError) {
      try explainer.model.checkText()
      encoded = try explainer.encode(texts)
    } catch { throw Failure(error) }
    unsafe result.pointee = Held(QueriesObject(encoded)).handle
  }
}

@c @implementation
public func legrad_encode_classes(
  _ explainer: OpaquePointer?, _ numbers: UnsafePointer<UInt64>?, _ count: Int,
  _ queries: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe place(queries, "queries")
    let explainer = try unsafe Held<ExplainerObject>.usable(explainer).explainer
    try refuseNone(count, "classes")
    guard let numbers = unsafe numbers else {
      throw Failure(LEGRAD_USAGE, "classes: expected \(count) numbers, found NULL")
    }
    var classes: [Int] = []
    for index in 0..<count { classes.append(try exact(unsafe numbers[index], "classes")) }
    let encoded: TextEmbeddings
    do throws(LeGradError) { encoded = try explainer.encode(classes: classes) } catch { throw Failure(error) }
    unsafe result.pointee = Held(QueriesObject(encoded)).handle
  }
}

@c @implementation
public func legrad_queries_from_rows(
  _ rows: UnsafePointer<Float>?, _ count: Int, _ width: Int, _ names: UnsafePointer<legrad_text>?,
  _ queries: UnsafeMutablePointer<OpaquePointer?>?, _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe place(queries, "queries")
    try refuseNone(count, "embeddings")
    let (total, overflow) = count.multipliedReportingOverflow(by: width)
    guard let rows = unsafe rows, width > 0, !overflow else {
      throw Failure(
        LEGRAD_USAGE, "embeddings: expected \(count) rows of \(width) numbers, found none; give as many as are counted")
    }
    let names = unsafe names == nil ? nil : try readTexts(names, count, "names")
    let values = unsafe Array(UnsafeBufferPointer(start: rows, count: total))
    let made: TextEmbeddings
    do throws(LeGradError) { made = try TextEmbeddings(rows: values, width: width, prompts: names) } catch {
      throw Failure(error)
    }
    unsafe result.pointee = Held(QueriesObject(made)).handle
  }
}

@c @implementation
public func legrad_encode_pictures(
  _ explainer: OpaquePointer?, _ pictures: UnsafePointer<legrad_picture>?, _ picture_size: Int, _ count: Int,
  _ names: UnsafePointer<legrad_text>?, _ queries: UnsafeMutablePointer<OpaquePointer?>?,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let result = try unsafe place(queries, "queries")
    let explainer = try unsafe Held<ExplainerObject>.usable(explainer).explainer
    try refuseNone(count, "pictures")
    let list = try unsafe PictureList(pictures, size: picture_size, count: count)
    let texts = unsafe names == nil ? (0..<count).map { "picture \($0)" } : try readTexts(names, count, "names")
    var prepared: [PreparedImage] = []
    for index in 0..<count {
      prepared.append(try list.prepared(index, by: explainer, size: .native, resize: .squash).image)
    }
    let encoded: TextEmbeddings
    do throws(LeGradError) { encoded = try explainer.encode(references: prepared, names: texts) } catch {
      throw Failure(error)
    }
    unsafe result.pointee = Held(QueriesObject(encoded)).handle
  }
}

@c @implementation
public func legrad_queries_count(_ queries: OpaquePointer?) -> Int {
  guard let queries = unsafe queries else { return 0 }
  return unsafe Held<QueriesObject>.of(queries).value.embeddings.count
}

@c @implementation
public func legrad_queries_width(_ queries: OpaquePointer?) -> Int {
  guard let queries = unsafe queries else { return 0 }
  return unsafe Held<QueriesObject>.of(queries).value.embeddings.width
}

@c @implementation
public func legrad_queries_name(_ queries: OpaquePointer?, _ number: Int) -> legrad_text {
  guard let queries = unsafe queries else { return unsafe LastingText.absent }
  let names = unsafe Held<QueriesObject>.of(queries).value.names
  return unsafe names.indices.contains(number) ? names[number].text : LastingText.absent
}

@c @implementation
public func legrad_queries_cut(_ queries: OpaquePointer?, _ number: Int) -> Int {
  guard let queries = unsafe queries else { return 0 }
  let lengths = unsafe Held<QueriesObject>.of(queries).value.embeddings.lengths ?? []
  return lengths.indices.contains(number) ? lengths[number].cut : 0
}

@c @implementation
public func legrad_queries_rows(
  _ queries: OpaquePointer?, _ buffer: UnsafeMutablePointer<Float>?, _ count: Int,
  _ error: UnsafeMutablePointer<OpaquePointer?>?
) -> legrad_status {
  unsafe attempt(error) { () throws(Failure) in
    let embeddings = try unsafe Held<QueriesObject>.required(queries, "queries").value.embeddings
    try unsafe write(
      embeddings.values, to: buffer, count: count, shape: "[queries \(embeddings.count), width \(embeddings.width)]")
  }
}

@c @implementation
public func legrad_queries_free(_ queries: OpaquePointer?) { unsafe Held<QueriesObject>.free(queries) }
