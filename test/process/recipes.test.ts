/** The recipes of docs/processing.md do what they say. Every row is worked out by hand. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { compileStreams } from "../../layers/declaration/compileStreams.ts"
import { given } from "../../layers/process/testing.ts"
import * as recipes from "./recipes.ts"

const { Alert, Deduplicate, Enrich, Top, Visit } = recipes

const at = (time: string) => `2026-11-27T${time}Z`
const order = (id: string, time: string, product: string, amount: number) => ({ id, at: at(time), product, amount })

it("the documentation has them to the letter", () => {
  const source = readFileSync(join(import.meta.dirname, "recipes.ts"), "utf8")
  const docs = readFileSync(join(import.meta.dirname, "..", "..", "docs", "processing.md"), "utf8")
  expect(docs).toContain(source.slice(source.indexOf("// Deduplicate")))
})

it("they are one module that can be applied", () => {
  expect(compileStreams(recipes)).not.toHaveProperty("sentences")
})

it("deduplicate", () => {
  const [first, second] = [order("1", "10:00:00", "tea", 1), order("2", "10:00:01", "tea", 1)]
  given(Deduplicate, [first, first, second, first]).then([first, second])
})

it("the three products of each hour", () => {
  given(Top, [
    order("1", "10:00:00", "tea", 2),
    order("2", "10:10:00", "milk", 5),
    order("3", "10:20:00", "salt", 1),
    order("4", "10:30:00", "rice", 2),
    order("5", "10:40:00", "tea", 1),
    order("6", "11:01:00", "tea", 1)
  ]).then([
    { hour: at("10:00:00"), place: 1, product: "milk", amount: 5 },
    { hour: at("10:00:00"), place: 2, product: "tea", amount: 3 },
    { hour: at("10:00:00"), place: 3, product: "rice", amount: 2 }
  ])
})

it("alert", () => {
  const reading = (time: string, celsius: number) => ({ device: "a", at: at(time), celsius })
  given(Alert, [
    reading("10:00:00", 70),
    reading("10:00:01", 81),
    reading("10:00:02", 90),
    reading("10:00:03", 80)
  ]).then([
    { device: "a", at: at("10:00:01"), hot: true },
    { device: "a", at: at("10:00:03"), hot: false }
  ])
})

it("visits", () => {
  const click = (visitor: string, time: string, page: string) => ({ visitor, at: at(time), page })
  given(Visit, [
    click("a", "10:00:00", "home"),
    click("a", "10:29:59", "shop"),
    click("b", "10:59:59", "home"),
    click("a", "11:30:00", "home")
  ]).then([
    { visitor: "a", began: at("10:00:00"), pages: ["home", "shop"] },
    { visitor: "b", began: at("10:59:59"), pages: ["home"] }
  ])
})

it("enrich", () => {
  given(Enrich, [
    { product: "tea", sold: 1 },
    { product: "tea", price: 3 },
    { product: "tea", sold: 2 },
    { product: "tea", price: 4 },
    { product: "tea", sold: 1 }
  ]).then([
    { product: "tea", sold: 2, price: 3 },
    { product: "tea", sold: 1, price: 4 }
  ])
})
