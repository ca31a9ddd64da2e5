metadata description = 'Lets the identity of the app send to one event hub, and nothing else.'

@description('The identity of the app.')
param principalId string

@description('The Event Hubs namespace.')
param namespaceName string

@description('The event hub in it.')
param eventHubName string

// Not a638d3c7-eca9-4b88-8e36-6b13d81f6bb0, the Receiver: nothing here reads events.
var eventHubsDataSender = '2b629674-e913-4c01-ae53-ef4638d8f975'

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' existing = {
  name: namespaceName
}

resource eventHub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' existing = {
  parent: namespace
  name: eventHubName
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(eventHub.id, principalId, eventHubsDataSender)
  scope: eventHub
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventHubsDataSender)
  }
}
