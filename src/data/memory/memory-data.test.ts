import { dataContract } from "../data.contract.ts";
import { MemoryData } from "./memory-data.ts";

dataContract("memory data", () => new MemoryData());
